import type { Reservation } from './reservations.js'
import type { Lack } from './room.js'

/** Something that waits for room. */
export interface Demand {
  /** Whose end withdraws it. */
  readonly reservation?: Reservation | undefined
  /** What is in its way now. When nothing is, it has taken what it needs in that same step. */
  take(): Lack | undefined
  /** Nothing is left to evict: the error it is refused with, or `undefined` to go on regardless. */
  refuse(lack: Lack, cause: Error | undefined): Error | undefined
}

export interface Waiting {
  readonly demand: Demand
  resolve(): void
  reject(error: unknown): void
}

/** Who waits for room, in order of arrival. Thousands may, and leave from anywhere: nothing here looks at all of them. */
export class WaitingLine {
  readonly #line = new Set<Waiting>()
  readonly #byReservation = new Map<Reservation, Set<Waiting>>()

  get first(): Waiting | undefined {
    for (const first of this.#line) return first
    return undefined
  }

  add(waiting: Waiting): void {
    this.#line.add(waiting)
    const { reservation } = waiting.demand
    if (reservation === undefined) return
    const siblings = this.#byReservation.get(reservation) ?? new Set()
    this.#byReservation.set(reservation, siblings.add(waiting))
  }

  of(reservation: Reservation): Waiting[] {
    return [...(this.#byReservation.get(reservation) ?? [])]
  }

  delete(waiting: Waiting): void {
    this.#line.delete(waiting)
    const { reservation } = waiting.demand
    const siblings = reservation && this.#byReservation.get(reservation)
    siblings?.delete(waiting)
    if (siblings?.size === 0) this.#byReservation.delete(reservation as Reservation)
  }

  takeAll(): Waiting[] {
    const all = [...this.#line]
    this.#line.clear()
    this.#byReservation.clear()
    return all
  }
}
