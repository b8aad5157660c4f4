const GROWTH = 1.25 // of what lives, between the two halves after the warm-up
const ENOUGH = 5 // looks in each half
const SLACK = 16 * 1024 * 1024

interface Look {
  readonly at: number
  readonly rss: number
  readonly heap: number
}

/** Whether memory keeps growing: what the second half of the time after the warm-up needs against the first. */
export class Memory {
  readonly #length: number
  readonly #started = performance.now()
  readonly #looks: Look[] = []

  constructor(length: number) {
    this.#length = length
  }

  look(): void {
    const { rss, heapUsed, external } = process.memoryUsage()
    this.#looks.push({ at: (performance.now() - this.#started) / this.#length, rss, heap: heapUsed + external })
  }

  /** The lowest heap of each half is what lives: above it lies what was not collected yet. */
  complaints(): string[] {
    const [first, second] = [this.#half(0.3, 0.65), this.#half(0.65, 1)]
    if (!first || !second) return [] // too short, or too busy a machine, for a look in each
    const found: string[] = []
    if (second.heap > first.heap * GROWTH + SLACK) found.push(`heap grew from ${first.heap} to ${second.heap}`)
    if (second.rss > first.rss * GROWTH + SLACK) found.push(`resident memory grew from ${first.rss} to ${second.rss}`)
    return found
  }

  get told(): string {
    const [first, second] = [this.#half(0.3, 0.65), this.#half(0.65, 1)]
    if (!first || !second) return 'memory NOT JUDGED: too few looks at it'
    return `RSS ${mebibytes(first.rss)} then ${mebibytes(second.rss)} MiB, heap ${mebibytes(first.heap)} then ${mebibytes(second.heap)} MiB`
  }

  #half(from: number, to: number): { rss: number; heap: number } | undefined {
    const looks = this.#looks.filter(({ at }) => at >= from && at < to)
    if (looks.length < ENOUGH) return undefined
    const least = (of: (look: Look) => number): number => Math.min(...looks.map(of))
    return { rss: median(looks.map(({ rss }) => rss)), heap: least(({ heap }) => heap) }
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024)
