// Is every byte right? Read back from the store, against digests made by another program.
import { createHash } from 'node:crypto'
import type { Asset } from '@cistern/assets'
import { segmentPath } from './downloader.js'
import { firstDifference } from './generated.js'
import type { Playlist } from './playlist.js'

/** SHA-256 of each clear segment, in hex, by its URI. */
export type Digests = Readonly<Record<string, string>>

/** Bytes checked. Rejects naming the digests without a segment, or the first segment that is not as its digest says. */
export async function checkSegments(
  asset: Asset,
  playlist: Playlist,
  digests: Digests,
  signal: AbortSignal,
): Promise<number> {
  // Without this, a playlist that lost its segments would pass: nothing to check, nothing wrong.
  const listed = new Set(playlist.segments.map(({ uri }) => uri))
  const absent = Object.keys(digests).filter((uri) => !listed.has(uri))
  if (absent.length > 0) throw new Error(`the playlist does not name ${absent.join(', ')}`)

  let bytes = 0
  for (const segment of playlist.segments) {
    using reader = await asset.open(segmentPath(segment), { committed: true, signal })
    const hash = createHash('sha256')
    for await (const chunk of reader.chunks({ signal })) {
      hash.update(chunk)
      bytes += chunk.length
    }
    if (hash.digest('hex') !== digests[segment.uri])
      throw new Error(`${segment.uri}: not the bytes that its digest names`)
  }
  return bytes
}

/** As above, for the generated resource. */
export async function checkGenerated(asset: Asset, path: string, signal: AbortSignal): Promise<number> {
  using reader = await asset.open(path, { committed: true, signal })
  let at = 0
  for await (const chunk of reader.chunks({ signal })) {
    const wrong = firstDifference(at, chunk)
    if (wrong !== undefined) throw new Error(`${path}: byte ${wrong} is not as generated`)
    at += chunk.length
  }
  return at
}
