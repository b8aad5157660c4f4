import { InvalidOptionError } from './errors.js'
import { type WriterHooks, wantsRetry } from './hooks.js'

/** One `writeAt` under way. */
export interface Piece {
  readonly position: number
  readonly end: number
  readonly bytes: Uint8Array
  readonly hooks: readonly WriterHooks[]
  resolve(): void
  reject(error: unknown): void
}

/** Where the queue's writes go: the resource's life. */
export interface WriteTarget {
  /** Why nothing may be written any more. */
  readonly refusal: Error | undefined
  /** A promise while nothing can be written yet; it does not reject. */
  ready(): Promise<void> | undefined
  beforeRun(start: number, end: number): void | Promise<void>
  write(start: number, parts: readonly Uint8Array[]): Promise<void>
  /** The write is under way. */
  launched(start: number, parts: readonly Uint8Array[]): void
  /** The bytes are in the driver. */
  landed(start: number, end: number, parts: readonly Uint8Array[]): void
  /** They are not, and nobody knows what is there now. Gives the error to tell. */
  missed(start: number, end: number, error: unknown): Error
  /** Nothing is queued or in flight any more. */
  drained(): void
}

/** More than this in one vectored write is bimodal: 0.5 or 3-6 ms. */
const runBytes = 1024 * 1024
const runParts = 1024
/** A round costs what sorting it costs: bounded, so that it never keeps the event loop. */
const roundPieces = 1024

/**
 * Writes of one resource: one in flight. What waits behind it is taken as a round, sorted by position, and leaves in
 * contiguous runs. A piece that overlaps one of the round waits for the next: the later call wins.
 */
export class WriteQueue {
  readonly #target: WriteTarget
  #pending: Piece[] = []
  /** So many of them are taken already: moving the rest each time would cost the square of what waits. */
  #taken = 0
  #pumping = false
  #idle: (() => void)[] = []

  constructor(target: WriteTarget) {
    this.#target = target
  }

  get busy(): boolean {
    return this.#pumping
  }

  push(position: number, bytes: Uint8Array, hooks: readonly WriterHooks[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ position, end: position + bytes.length, bytes, hooks, resolve, reject })
      // What comes in this turn leaves together, and so does what comes while that is in flight.
      if (!this.#pumping) void this.#pump()
    })
  }

  /** Resolves once nothing is queued or in flight. Never rejects: failures are told to those who wrote. */
  idle(): Promise<void> {
    return this.#pumping ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve()
  }

  /** Rejects what is not in flight yet. */
  clear(error: Error): void {
    for (const piece of this.#pending.splice(this.#taken)) piece.reject(error)
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    while (this.#pending.length > this.#taken) {
      const notYet = this.#target.ready()
      if (notYet !== undefined) await notYet.catch(() => {}) // the write itself tells what is wrong
      // Whoever was just told that his bytes landed brings more in this very turn: they leave together.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      const round = this.#takeRound()
      if (round.hooked) await this.#writeAdmitted(round.called)
      else await this.#writeRuns(round.sorted)
    }
    this.#pumping = false
    for (const resolve of this.#idle.splice(0)) resolve()
    this.#target.drained()
  }

  /** The longest prefix of what waits in which nothing overlaps. */
  #takeRound(): { called: readonly Piece[]; sorted: Piece[]; hooked: boolean } {
    const pending = this.#pending
    const sorted: Piece[] = []
    let hooked = false
    let last = 0
    let next = this.#taken
    for (const limit = Math.min(pending.length, next + roundPieces); next < limit; next++) {
      const piece = pending[next] as Piece
      if (piece.position >= last) sorted.push(piece)
      else {
        const at = firstEndingAfter(sorted, piece.position)
        if ((sorted[at] as Piece).position < piece.end) break
        sorted.splice(at, 0, piece)
      }
      last = Math.max(last, piece.end)
      hooked ||= piece.hooks.length > 0
    }
    const called = pending.slice(this.#taken, next)
    this.#taken = next
    if (next * 2 >= pending.length) {
      pending.splice(0, next)
      this.#taken = 0
    }
    return { called, sorted, hooked }
  }

  /** Asks the writer's hooks, in the order of the calls. */
  async #writeAdmitted(pieces: readonly Piece[]): Promise<void> {
    let admitted: Piece[] = []
    for (const piece of pieces) {
      try {
        this.#refuse() // removed while one before it was held back: nobody is to make room for it
        for (const hooks of piece.hooks) {
          const held = hooks.beforeWrite?.(piece.position, piece.bytes.length)
          if (held === undefined) continue
          held.catch(() => {}) // told below
          // It holds back those behind it, not those before.
          await this.#writeRuns(admitted)
          admitted = []
          await held
        }
        admitted.push(piece)
      } catch (error) {
        piece.reject(error)
      }
    }
    await this.#writeRuns(admitted)
  }

  /** In contiguous runs. Never rejects: failures go to those who wrote. */
  async #writeRuns(pieces: Piece[]): Promise<void> {
    pieces.sort((a, b) => a.position - b.position)
    for (let from = 0; from < pieces.length; ) {
      const to = endOfRun(pieces, from)
      await this.#writeRun(pieces.slice(from, to))
      from = to
    }
  }

  async #writeRun(run: readonly Piece[]): Promise<void> {
    const start = (run[0] as Piece).position
    const end = (run.at(-1) as Piece).end
    try {
      this.#refuse()
      const held = this.#target.beforeRun(start, end)
      if (held !== undefined) await held
      // A single piece may be larger than a run: in steps, readers get its beginning early.
      if (end - start > runBytes) await this.#writeSteps(run[0] as Piece)
      else
        await this.#writeParts(
          start,
          end,
          run.map((piece) => piece.bytes),
          run[0] as Piece,
        )
    } catch (error) {
      for (const piece of run) piece.reject(error)
      return
    }
    for (const piece of run) piece.resolve()
  }

  async #writeSteps(piece: Piece): Promise<void> {
    for (let start = piece.position; start < piece.end; start += runBytes) {
      const end = Math.min(piece.end, start + runBytes)
      const part = piece.bytes.subarray(start - piece.position, end - piece.position)
      await this.#writeParts(start, end, [part], piece)
    }
  }

  async #writeParts(start: number, end: number, parts: readonly Uint8Array[], asker: Piece): Promise<void> {
    for (let retried = false; ; retried = true) {
      this.#refuse()
      checkWhole(start, end, parts)
      try {
        const written = this.#target.write(start, parts)
        // Beside the write, which is another thread's: checksums cost no time of their own.
        this.#target.launched(start, parts)
        await written
        this.#target.landed(start, end, parts)
        break
      } catch (cause) {
        const error = this.#target.missed(start, end, cause)
        // Nobody asks for a retry in a generation that is gone.
        this.#refuse()
        if (retried || !(await wantsRetry(asker.hooks, error))) throw error
      }
    }
    this.#refuse()
  }

  #refuse(): void {
    if (this.#target.refusal !== undefined) throw this.#target.refusal
  }
}

/** A buffer that was transferred away has no bytes left: those behind it would go where it should have. */
function checkWhole(start: number, end: number, parts: readonly Uint8Array[]): void {
  if (parts.reduce((at, part) => at + part.length, start) === end) return
  throw new InvalidOptionError(`the bytes for ${start}-${end} were detached or resized before they were written`)
}

/** Index after the run that begins at `from`: contiguous, and at most 1 MiB unless one piece is larger. */
function endOfRun(pieces: readonly Piece[], from: number): number {
  const first = pieces[from] as Piece
  let { end } = first
  let to = from + 1
  for (; to < pieces.length && to - from < runParts; to++) {
    const piece = pieces[to] as Piece
    if (piece.position !== end || piece.end - first.position > runBytes) break
    end = piece.end
  }
  return to
}

function firstEndingAfter(sorted: readonly Piece[], position: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as Piece).end <= position) low = middle + 1
    else high = middle
  }
  return low
}
