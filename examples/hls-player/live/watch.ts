import { basename } from 'node:path/posix'
import { type AssetStore, CisternError, type ResourceKey } from '@cistern/assets'
import type { Filler, RunningFetch } from '@cistern/fill'
import type { Part, Stream } from '../streams/stream.js'
import type { Failure, ShownAsset, ShownLine, ShownPart, Snapshot } from './snapshot.js'

/** Of a stream that has more, those around what is played are shown. */
const MOST_PARTS = 240
const SHOWN_BEFORE = 60
const MOST_FAILURES = 5

/** Looks at store, filler and server, and says what is there. It keeps only what none of them does. */
export class Watch {
  readonly #store: AssetStore
  readonly #filler: Filler
  readonly #streams: readonly Stream[]
  readonly #line: () => ShownLine | undefined
  /** What the origin said of its lengths. */
  readonly #totals = new Map<string, number>()
  readonly #answered = { requests: 0, bytes: 0 }
  #failures: Failure[] = []
  #failed = 0

  constructor(store: AssetStore, filler: Filler, streams: readonly Stream[], line: () => ShownLine | undefined) {
    this.#store = store
    this.#filler = filler
    this.#streams = streams
    this.#line = line
    filler.on('progress', ({ key, total }) => {
      if (total !== undefined) this.#totals.set(key.id, total)
    })
  }

  /** `isGood`: the stream plays on, and what kept it from that is over. */
  answered(asset: string, bytes: number, isGood: boolean): void {
    this.#answered.requests++
    this.#answered.bytes += bytes
    if (isGood) this.#failures = this.#failures.filter((failure) => failure.asset !== asset)
  }

  /**
   * A player asks twice, and the same is said once. Messages name no query, user or password: `SourceError` does not, and
   * no other part of a URL is in the others.
   */
  failed(asset: string, path: string, error: Error): void {
    if (CisternError.is(error, 'ERR_CISTERN_REMOVED')) return // forgotten on purpose, or evicted: it is fetched again
    const failure = { number: ++this.#failed, asset, label: basename(path), message: error.message }
    const others = this.#failures.filter((each) => each.asset !== asset || each.label !== failure.label)
    this.#failures = [...others.slice(1 - MOST_FAILURES), failure]
  }

  snapshot(shown: string | undefined): Snapshot {
    const { bytes, limits, evictions } = this.#store.stats()
    const stream = this.#streams.find(({ asset }) => asset === shown) ?? this.#streams[0]
    const { running, requests, bytes: brought } = this.#filler.stats()
    const fetches = new Map<string, RunningFetch[]>()
    for (const fetch of running) fetches.set(fetch.key.id, [...(fetches.get(fetch.key.id) ?? []), fetch])
    const parts = stream ? partsShown(stream, fetches) : []
    return {
      streams: this.#streams.map(({ asset, title, address, isDownloading }) => ({
        asset,
        title,
        address,
        isDownloading,
      })),
      parts: parts.map((part) => this.#part(part, fetches.get(part.key.id))),
      more: (stream?.parts.length ?? 0) - parts.length,
      assets: [...this.#assets()],
      bytes,
      maxBytes: limits.maxBytes,
      evictions,
      origin: { requests, bytes: brought },
      answered: { ...this.#answered },
      failures: this.#failures,
      line: this.#line(),
    }
  }

  #part({ key, kind, at, url }: Part, running: readonly RunningFetch[] = []): ShownPart {
    const stat = this.#store.stat(key)
    const fetches = running.map(({ position, priority }) => ({ position, priority }))
    const label = kind === 'playlist' ? 'playlist' : basename(url.pathname)
    const common = { path: key.path, label, kind, at, fetches, total: this.#total(key), readers: stat?.readers ?? 0 }
    return { ...common, state: stat?.state ?? 'absent', received: stat?.received.toFlat() ?? [] }
  }

  #total(key: ResourceKey): number | undefined {
    return this.#totals.get(key.id)
  }

  *#assets(): Generator<ShownAsset> {
    for (const { asset, bytes, pinned, leases } of this.#store.assets()) {
      const title = this.#streams.find((stream) => stream.asset === asset)?.title
      if (title !== undefined) yield { asset, title, bytes, isPinned: pinned, leases }
    }
  }
}

/** All of a few; of many, what is around the part that was asked for last, and whatever is being fetched. */
function partsShown({ parts, asked }: Stream, fetches: ReadonlyMap<string, unknown>): readonly Part[] {
  if (parts.length <= MOST_PARTS) return parts
  const place = asked ? parts.findIndex(({ key }) => key.id === asked.key.id) : 0
  const first = Math.max(0, Math.min(place - SHOWN_BEFORE, parts.length - MOST_PARTS))
  return parts.filter(({ key }, at) => (at >= first && at < first + MOST_PARTS) || fetches.has(key.id))
}
