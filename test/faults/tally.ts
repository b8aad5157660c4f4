import type { Report } from './report.js'

/** Counts what was met in all lives of a run: whether what should happen now and then did. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times)
  }

  addAll(reports: readonly Report[]): void {
    for (const report of reports) {
      if (report.is === 'met') this.add(report.what, report.times)
      else if (report.is === 'done' && report.held) this.add('commits, puts and moves')
    }
  }

  count(what: string): number {
    return this.#counts.get(what) ?? 0
  }

  /** As many of each as there were of `of`, on average. */
  average(what: string, of: string): string {
    return (this.count(what) / Math.max(1, this.count(of))).toFixed(1)
  }
}
