/** What a process holds after so many rounds, all garbage collected. */
export interface Look {
  readonly round: number
  readonly heap: number
  readonly external: number
  readonly descriptors: number
  readonly timers: number
  readonly listeners: Readonly<Record<string, number>>
}

export interface LeakReport {
  readonly looks: readonly Look[]
  readonly warnings: readonly string[]
}
