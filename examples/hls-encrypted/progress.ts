// Progress on one line of a terminal; in a file or a pipe, a plain line for each quarter.
import type { WriteStream } from 'node:tty'

const WIDTH = 30

export class Progress implements Disposable {
  readonly #label: string
  readonly #total: number
  readonly #out: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY'>>
  #reached = 0
  #shown = -1

  /** `total` in whatever `advance` counts. `reached` is what was there before. */
  constructor(label: string, total: number, reached = 0, out: NodeJS.WritableStream = process.stdout) {
    this.#label = label
    this.#total = total
    this.#reached = reached
    this.#out = out
    this.advance(0)
  }

  advance(by: number): void {
    this.#reached = Math.min(this.#total, this.#reached + by)
    const percent = this.#total === 0 ? 100 : Math.floor((this.#reached / this.#total) * 100)
    const step = this.#out.isTTY ? percent : percent - (percent % 25)
    // Drawing per chunk would cost more than the chunk: only what the eye can tell apart is drawn.
    if (step === this.#shown) return
    this.#shown = step
    this.#out.write(this.#out.isTTY ? `\r${this.#label} ${bar(percent)} ${percent}%` : `${this.#label}: ${step}%\n`)
  }

  /** Leaves the line, so that what follows, an error too, begins on one of its own. */
  [Symbol.dispose](): void {
    if (this.#out.isTTY) this.#out.write('\n')
  }
}

function bar(percent: number): string {
  const filled = Math.round((percent / 100) * WIDTH)
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}]`
}
