import type { ByteRange } from '@cistern/storage'

/** Bytes that somebody wants, half-open, and how urgently. */
export interface Want extends ByteRange {
  /** 0 is the most urgent. */
  readonly rank: number
  /** Nobody waits for it: whole chunks will do. */
  readonly isAhead?: boolean
  /** Any byte will do, as long as the length comes of it. */
  readonly isForLength?: boolean
  /** Nothing behind this is to be asked for along with it. */
  readonly limit?: number
}

/** Whose a want is. */
export interface Wanting {
  readonly arrival: number
}

/** A want, and when the first of those came that have it. */
export interface SharedWant {
  readonly want: Want
  readonly arrival: number
}

/**
 * What is wanted, by how many does not matter: a thousand readers that wait for the same bytes are one want. So a look at
 * all that is wanted costs what there is of different wants, and a reader that goes on costs the same among any number.
 */
export class WantIndex {
  /** Those that begin at the same position are few: what is waited for, and what lies ahead. */
  readonly #byStart = new Map<number, Shared[]>()

  add(want: Want, by: Wanting): void {
    const shared = this.#byStart.get(want.start)
    const same = shared?.find((each) => isSame(each.want, want))
    if (same) same.by.set(want, by)
    else if (shared) shared.push(new Shared(want, by))
    else this.#byStart.set(want.start, [new Shared(want, by)])
  }

  /** The very want that was added; any other is none to take out. */
  delete(want: Want): void {
    const shared = this.#byStart.get(want.start)
    const same = shared?.find((each) => isSame(each.want, want))
    if (shared === undefined || same === undefined) return
    same.by.delete(want)
    if (same.by.size > 0) return
    if (shared.length === 1) this.#byStart.delete(want.start)
    else shared.splice(shared.indexOf(same), 1)
  }

  *[Symbol.iterator](): Generator<SharedWant> {
    for (const shared of this.#byStart.values()) yield* shared
  }
}

class Shared implements SharedWant {
  readonly want: Want
  /** In order of arrival. By each one's own want: one who waits twice for the same has it until both are over. */
  readonly by: Map<Want, Wanting>

  constructor(want: Want, by: Wanting) {
    this.want = want
    this.by = new Map([[want, by]])
  }

  get arrival(): number {
    for (const { arrival } of this.by.values()) return arrival
    return Number.POSITIVE_INFINITY
  }
}

function isSame(one: Want, other: Want): boolean {
  return (
    one.end === other.end &&
    one.rank === other.rank &&
    one.limit === other.limit &&
    one.isAhead === other.isAhead &&
    one.isForLength === other.isForLength
  )
}
