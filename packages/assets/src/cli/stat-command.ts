import type { ByteRange } from '@cistern/storage'
import { ResourceKey } from '../key.js'
import type { ResourceStat } from '../types.js'
import { type Command, inspecting } from './command.js'
import { EXIT } from './exit-codes.js'
import { plain } from './plain.js'
import { json, printable } from './printable.js'
import { share, size } from './sizes.js'

export interface StatRequest {
  readonly root: string
  /** `asset/path`. */
  readonly key: string
  readonly json: boolean
}

/** Ranges that are shown to somebody who reads; JSON has all. */
const MAX_RANGES = 16

/** `cistern stat`: all about one resource but what its processor was keyed with. */
export function stat(request: StatRequest, { output, signal }: Command): Promise<number> {
  const key = ResourceKey.parse(request.key)
  return inspecting(request.root, async (store) => {
    signal.throwIfAborted()
    const found = store.stat(key)
    if (found === undefined) {
      process.stderr.write(`${printable(`cistern: ${request.root} has no resource ${key.id}`)}\n`)
      return EXIT.found
    }
    if (request.json) await output.line(json({ root: request.root, ...fields(found) }))
    else for (const [name, text] of lines(found)) await output.line(`${name.padEnd(12)}${printable(text)}`)
    return EXIT.ok
  })
}

function fields({ key, state, generation, length, coverage, received, storedBytes, ...rest }: ResourceStat): object {
  return {
    key: key.id,
    asset: key.asset,
    path: key.path,
    state,
    generation,
    length: length ?? null,
    coverage: [...coverage].map(range),
    received: [...received].map(range),
    storedBytes,
    committedAt: rest.committedAt?.toISOString() ?? null,
    processed: rest.processor !== undefined,
    metadata: plain(rest.metadata),
  }
}

const range = ({ start, end }: ByteRange): ByteRange => ({ start, end })

function* lines(stat: ResourceStat): Generator<readonly [name: string, text: string]> {
  const { key, state, generation, length, coverage, received, storedBytes, committedAt, processor, metadata } = stat
  yield ['key', key.id]
  yield ['state', state === 'committed' ? 'committed' : 'active: unfinished']
  yield ['generation', generation]
  yield ['length', length === undefined ? 'not known yet' : `${length} (${size(length)})`]
  yield ['readable', `${coverage.size} bytes, ${share(coverage.size, length)}${ranges(coverage)}`]
  // Before the processor has run over them, which is for whoever goes on.
  if (state === 'active' && processor !== undefined) yield ['received', `${received.size} bytes${ranges(received)}`]
  yield ['stored', `${storedBytes} bytes`]
  yield ['committed', committedAt?.toISOString() ?? 'no']
  yield ['processed', processor === undefined ? 'no' : 'yes']
  yield ['metadata', metadata === undefined ? 'none' : json(plain(metadata))]
}

/** Half-open, as everywhere. */
function ranges(set: Iterable<ByteRange>): string {
  const all = [...set]
  const shown = all.slice(0, MAX_RANGES).map(({ start, end }) => `[${start}, ${end})`)
  if (all.length > MAX_RANGES) shown.push(`and ${all.length - MAX_RANGES} more`)
  return shown.length === 0 ? '' : `: ${shown.join(' ')}`
}
