/** One way to break a store. Each part is a file of its own in `parts/`, listed in `run.ts`. */
export interface Part {
  /** As given on the command line. */
  readonly name: string
  readonly about: string
  /** Why this part cannot run here, where it cannot: no root, no strace. It is then skipped, loudly. */
  unavailable?(): string | undefined
  run(options: PartOptions): Promise<PartOutcome>
}

export interface PartOptions {
  /** Everything random in a part comes from this. */
  readonly seed: number
  /** For every change: a fair sample, in about half a minute a part. */
  readonly quick: boolean
  readonly rounds: number | undefined
  say(line: string): void
}

export interface PartOutcome {
  readonly rounds: number
  /** Promises that did not hold; none is what is wanted. */
  readonly violations: readonly string[]
  /** What was measured or met on the way, in a few words for the summary. */
  readonly note?: string | undefined
}
