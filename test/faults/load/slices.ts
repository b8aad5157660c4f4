import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import type { Hold } from './loop-watch.js'

const SAMPLED_EVERY = 1_000 // µs

/** Samples of where this thread is, from `start` on. */
export class Sampling {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLED_EVERY })
    await this.#session.post('Profiler.start')
  }

  async stop(): Promise<Profiler.Profile> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    return profile
  }
}

export interface Slice {
  readonly ms: number
  /** The function of ours that was called, and where most of the time went. */
  readonly what: string
}

/**
 * The longest run of samples in one and the same call path of ours in each hold. Calls of one path that follow each
 * other at once cannot be told from one call: this is an upper bound.
 */
export function slicesIn(profile: Profiler.Profile, holds: readonly Hold[]): Slice[] {
  const tree = new Tree(profile)
  return holds.map((hold) => longest(tree, hold))
}

function longest(tree: Tree, { start, end }: Hold): Slice {
  let best: Slice = { ms: 0, what: 'nothing of ours' }
  let [entry, ms] = [undefined as number | undefined, 0]
  let places = new Map<string, number>()
  for (const { id, at, took } of tree.samples) {
    if (at < start) continue
    if (at > end) break
    if (tree.isCollecting(id)) continue // neither ours nor an end of what is
    const outermost = tree.outermost(id)
    if (outermost !== entry) {
      entry = outermost
      ms = 0
      places = new Map()
    }
    if (entry === undefined) continue
    ms += took / 1_000
    places.set(tree.name(id), (places.get(tree.name(id)) ?? 0) + took)
    if (ms > best.ms) best = { ms, what: `${tree.name(entry)}, most of it in ${most(places)}` }
  }
  return best
}

class Tree {
  readonly samples: { readonly id: number; readonly at: number; readonly took: number }[] = []
  readonly #nodes = new Map<number, Profiler.ProfileNode>()
  readonly #parents = new Map<number, number>()
  readonly #outermost = new Map<number, number | undefined>()

  constructor({ nodes, samples = [], timeDeltas = [], startTime }: Profiler.Profile) {
    for (const node of nodes) {
      this.#nodes.set(node.id, node)
      for (const child of node.children ?? []) this.#parents.set(child, node.id)
    }
    let at = startTime
    for (const [index, id] of samples.entries()) {
      at += timeDeltas[index] ?? 0
      // Where the next one is late, others had the processor: while this thread has it, samples come on time.
      this.samples.push({ id, at, took: Math.min(timeDeltas[index + 1] ?? 0, 2 * SAMPLED_EVERY) })
    }
  }

  /** The frame nearest to the event loop that is of the packages. */
  outermost(id: number): number | undefined {
    if (this.#outermost.has(id)) return this.#outermost.get(id)
    const parent = this.#parents.get(id)
    const above = parent === undefined ? undefined : this.outermost(parent)
    const found = above ?? (this.#frame(id)?.url.includes('/packages/') ? id : undefined)
    this.#outermost.set(id, found)
    return found
  }

  isCollecting(id: number): boolean {
    return this.#frame(id)?.functionName === '(garbage collector)'
  }

  name(id: number): string {
    const frame = this.#frame(id)
    if (!frame) return 'unknown'
    return `${frame.functionName || 'anonymous'} (${frame.url.split('/').slice(-3).join('/')}:${frame.lineNumber + 1})`
  }

  #frame(id: number): Profiler.ProfileNode['callFrame'] | undefined {
    return this.#nodes.get(id)?.callFrame
  }
}

function most(places: ReadonlyMap<string, number>): string {
  return [...places].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'nothing'
}
