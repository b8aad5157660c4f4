import type { Durability } from '@cistern/assets'
import { isEvictable } from './keys.js'
import type { Held, Report } from './report.js'

export interface HistoryOptions {
  /** It is the power that goes: what was never synced may be gone, and what it replaced with it. */
  readonly powerCuts?: boolean | undefined
}

/**
 * What each key may hold after a crash, from what the child said. States follow one another; a crash may roll back to any
 * of them from the floor on. In strict mode everything that was reported done raises the floor, in ordered mode what waits
 * for its sync (removals, moves, pins), and what was reported done before a checkpoint that was itself reported done. In
 * relaxed mode only such a checkpoint does, and where the power is cut, nothing: anything may be absent then.
 */
export class History {
  readonly #durability: Durability
  readonly #isLossy: boolean
  readonly #keys = new Map<string, Line<Held>>()
  readonly #pins = new Map<string, Line<boolean>>()
  readonly #assetsBeingRemoved = new Set<string>()
  /** Keys whose operation under way, or next one, may come before or after a removal of their whole asset. */
  readonly #raced = new Set<string>()
  #checkpoint: (() => void)[] = []

  constructor(
    keys: Iterable<string>,
    assets: Iterable<string>,
    durability: Durability,
    { powerCuts = false }: HistoryOptions = {},
  ) {
    this.#durability = durability
    this.#isLossy = powerCuts && durability === 'relaxed'
    for (const key of keys) this.#keys.set(key, new Line<Held>(null))
    for (const asset of assets) this.#pins.set(asset, new Line(false))
  }

  /** What `key` may hold, likeliest last. */
  allowed(key: string): readonly Held[] {
    const line = this.#key(key)
    // Nothing was synced: records of any time before may be the last that the medium has.
    if (this.#isLossy) return [null, ...line.ever]
    return isEvictable(assetOf(key)) ? [null, ...line.allowed] : line.allowed
  }

  /** What is on record may turn out not to be there: it is found by its checksums, and dropped. */
  get isLossy(): boolean {
    return this.#isLossy
  }

  allowedPins(asset: string): readonly boolean[] {
    return this.#pin(asset).allowed
  }

  /** After a restart the past is over: what was seen is what is there. */
  observed(key: string, held: Held): void {
    this.#key(key).restart(held)
    this.#assetsBeingRemoved.clear()
    this.#raced.clear()
    this.#checkpoint = []
  }

  observedPin(asset: string, pinned: boolean): void {
    this.#pin(asset).restart(pinned)
  }

  /** `isCertain`: it was done by the time of the crash, and not told by a process that outlived it for a moment. */
  add(report: Report, isCertain = true): void {
    switch (report.is) {
      case 'begin':
        this.#begin(report.key, report.held)
        break
      case 'done':
        this.#done(report.key, report.held, report.synced === true, isCertain)
        break
      case 'undone':
        this.#key(report.key).undone()
        break
      case 'failed':
        this.#key(report.key).givenUp()
        break
      case 'holds':
        this.#key(report.key).done(report.held, false)
        break
      case 'begin-pin':
        this.#pin(report.asset).begin(report.pinned)
        break
      case 'done-pin':
        this.#pin(report.asset).done(report.pinned, isCertain && this.#durability !== 'relaxed')
        break
      case 'begin-remove-asset':
        this.#beginRemoval(report.asset)
        break
      case 'done-remove-asset':
        this.#assetsBeingRemoved.delete(report.asset)
        break
      case 'begin-checkpoint':
        this.#checkpoint = [...this.#keys.values()].map((key) => key.mark())
        break
      case 'done-checkpoint':
        if (isCertain && !this.#isLossy) for (const raise of this.#checkpoint) raise()
        break
    }
  }

  #begin(key: string, held: Held): void {
    if (!this.#assetsBeingRemoved.has(assetOf(key))) this.#raced.delete(key)
    this.#key(key).begin(held)
  }

  #beginRemoval(asset: string): void {
    this.#assetsBeingRemoved.add(asset)
    for (const [key, line] of this.#keys) {
      if (assetOf(key) !== asset) continue
      this.#raced.add(key)
      line.begin(null)
    }
    this.#pin(asset).begin(false) // what is removed as a whole is not kept offline any more
  }

  #done(key: string, held: Held, synced: boolean, isCertain: boolean): void {
    const raced = this.#raced.has(key)
    const isDurable = this.#durability === 'strict' || (this.#durability === 'ordered' && synced)
    this.#key(key).done(held, isCertain && isDurable && !raced)
    if (raced) this.#key(key).begin(null)
  }

  #key(id: string): Line<Held> {
    const line = this.#keys.get(id)
    if (!line) throw new Error(`no such key in this run: ${id}`)
    return line
  }

  #pin(asset: string): Line<boolean> {
    const line = this.#pins.get(asset)
    if (!line) throw new Error(`no such asset in this run: ${asset}`)
    return line
  }
}

/** The states of one thing, in order; which of them are settled, and below which there is no way back. */
class Line<T> {
  /** Of lives before this one. */
  readonly #before: T[] = []
  #states: T[]
  #settled = 0
  #floor = 0

  constructor(first: T) {
    this.#states = [first]
  }

  get allowed(): readonly T[] {
    return this.#states.slice(this.#floor)
  }

  /** All that it ever was, or may have been. */
  get ever(): readonly T[] {
    return [...this.#before, ...this.#states]
  }

  begin(state: T): void {
    this.#states.push(state)
  }

  done(state: T, floor: boolean): void {
    this.#states.push(state)
    this.#settled = this.#states.length - 1
    if (floor) this.#floor = this.#settled
  }

  /** Whether it took or not is open: the state before it counts on. */
  undone(): void {
    const before = this.#states[this.#settled] as T
    this.#states.push(before)
  }

  /** What was done since the floor is taken back, and told: a checkpoint under way does not make it hold. */
  givenUp(): void {
    this.#states.push(...this.allowed)
  }

  /** Raises the floor, once called, to what is settled now. */
  mark(): () => void {
    const settled = this.#settled
    return () => {
      this.#floor = Math.max(this.#floor, settled)
    }
  }

  restart(state: T): void {
    this.#before.push(...this.#states)
    this.#states = [state]
    this.#settled = 0
    this.#floor = 0
  }
}

function assetOf(id: string): string {
  return id.slice(0, id.indexOf('/'))
}
