import { share, size } from './sizes.js'

const WIDTH = 24
const EVERY_MS = 100
/** Back to the start of the line, which is erased. */
const CLEAR = '\r\u001b[K'

/** What a bar needs of a terminal. */
export type BarStream = Pick<NodeJS.WriteStream, 'isTTY' | 'write'> & { readonly columns?: number | undefined }

/** One line on a terminal that says how far something is; silent anywhere else. */
export class ProgressBar implements Disposable {
  readonly #stream: BarStream
  readonly #isShown: boolean
  readonly #now: () => number
  #drawn: number | undefined
  #done = 0
  #started: number | undefined

  constructor(stream: BarStream, isWanted: boolean, now: () => number = () => performance.now()) {
    this.#stream = stream
    this.#isShown = isWanted && stream.isTTY === true
    this.#now = now
  }

  update(done: number, total: number): void {
    if (!this.#isShown) return
    const now = this.#now()
    if (this.#started === undefined || done < this.#done) this.#started = now
    this.#done = done
    if (this.#drawn !== undefined && now - this.#drawn < EVERY_MS && done < total) return
    this.#drawn = now
    const filled = total === 0 ? WIDTH : Math.floor((done / total) * WIDTH)
    const bar = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}]`
    const seconds = (now - this.#started) / 1000
    const pace = seconds > 0.5 ? `  ${size(Math.floor(done / seconds))}/s` : ''
    const text = `${bar} ${share(done, total).padStart(4)}  ${size(done)} of ${size(total)}${pace}`
    // A line that is wrapped could not be erased.
    this.#stream.write(`${CLEAR}${text.slice(0, (this.#stream.columns ?? 80) - 1)}`)
  }

  /** Erases it: what is printed next has the line. */
  [Symbol.dispose](): void {
    if (this.#drawn !== undefined) this.#stream.write(CLEAR)
    this.#drawn = undefined
  }
}
