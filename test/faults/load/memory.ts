const GROWTH = 1.25 // from the first half after the warm-up to the second
const ENOUGH = 5 // looks in each half
const SLACK = 16 * 1024 * 1024

interface Look {
  readonly at: number
  readonly rss: number
}

/** Whether memory keeps growing once it has warmed up. */
export class Memory {
  readonly #length: number
  readonly #started = performance.now()
  readonly #looks: Look[] = []
  readonly #lives: number[] = []

  constructor(length: number) {
    this.#length = length
  }

  look(): void {
    this.#looks.push({ at: (performance.now() - this.#started) / this.#length, rss: process.memoryUsage.rss() })
  }

  /** What lives, without what nobody collected yet. */
  collect(): void {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    this.#lives.push(heapUsed + external)
  }

  complaints(): string[] {
    const found = grown('heap', this.#lives[0], this.#lives.at(-1))
    return [...found, ...grown('resident memory', this.#rss(0.3, 0.65), this.#rss(0.65, 1))]
  }

  get told(): string {
    const [first, second] = [this.#rss(0.3, 0.65), this.#rss(0.65, 1)]
    return `RSS ${told(first)} then ${told(second)}, heap ${this.#lives.map(told).join(' then ')}`
  }

  /** Undefined where it was too short, or the machine too busy, for a few looks. */
  #rss(from: number, to: number): number | undefined {
    const looks = this.#looks.filter(({ at }) => at >= from && at < to).map(({ rss }) => rss)
    return looks.length < ENOUGH ? undefined : looks.sort((a, b) => a - b)[Math.floor(looks.length / 2)]
  }
}

function grown(what: string, before: number | undefined, after: number | undefined): string[] {
  if (before === undefined || after === undefined || after <= before * GROWTH + SLACK) return []
  return [`${what} grew from ${told(before)} to ${told(after)}`]
}

function told(bytes: number | undefined): string {
  return bytes === undefined ? 'NOT JUDGED' : `${Math.round(bytes / 1024 / 1024)} MiB`
}
