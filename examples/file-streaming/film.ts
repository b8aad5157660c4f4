// Filling one file from an HTTP server, the part that is wanted first.
import type { ByteRange, Fill, ReadonlyRangeSet } from '@cistern/assets'

/**
 * A fill that begins at `first`, goes on to the end, and then fetches what comes before. Whatever the store has of this
 * version is not asked for; what it has of another one is discarded by `declare`.
 */
export function filmFrom(url: URL, first: number): Fill {
  return async (writer, signal) => {
    const head = await fetch(url, { method: 'HEAD', signal, headers: { 'accept-encoding': 'identity' } })
    const length = Number(head.headers.get('content-length') ?? Number.NaN)
    const etag = head.headers.get('etag')
    if (!head.ok || !Number.isSafeInteger(length) || etag === null)
      throw new Error(`origin: ${head.status}, no length or no version`)
    await writer.declare({ length, validator: etag })

    for (const gap of wantedFirst(writer.coverage, first, length)) {
      const range = `bytes=${gap.start}-${gap.end - 1}`
      const response = await fetch(url, { signal, headers: { range, 'if-range': etag, 'accept-encoding': 'identity' } })
      // 200 would be another version, from its beginning: nothing of it may land in the middle of this one.
      if (response.status !== 206 || !response.headers.get('content-range')?.startsWith(`bytes ${gap.start}-`)) {
        await response.body?.cancel()
        throw new Error(`origin: ${response.status} for ${range}, the file changed while it was fetched`)
      }
      await writer.writeFrom(response.body, { at: gap.start, signal })
    }
  }
}

function wantedFirst(coverage: ReadonlyRangeSet, first: number, length: number): readonly ByteRange[] {
  return [...coverage.gaps(first, length), ...coverage.gaps(0, first)]
}
