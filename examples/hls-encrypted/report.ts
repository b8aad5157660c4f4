// What a run did, as a table.

/** Grows while the run goes on. Bytes everywhere, except `requests`. */
export interface Count {
  requests: number
  /** Bytes that requests asked for: the whole, or the missing ranges. */
  asked: number
  bytesIn: number
  stored: number
  decrypted: number
  cached: number
  ms: number
}

const COLUMNS: ReadonlyArray<readonly [heading: string, cell: (count: Count) => string]> = [
  ['requests', (count) => grouped(count.requests)],
  ['bytes in', (count) => grouped(count.bytesIn)],
  ['stored', (count) => grouped(count.stored)],
  ['decrypted', (count) => grouped(count.decrypted)],
  ['from cache', (count) => grouped(count.cached)],
  ['ms', (count) => grouped(Math.round(count.ms))],
]

export class Report {
  readonly #counts = new Map<string, Count>()

  /** The row of this name, made at first use. */
  row(name: string): Count {
    const known = this.#counts.get(name)
    if (known) return known
    const count = emptyCount()
    this.#counts.set(name, count)
    return count
  }

  /** Runs `work` and adds its time to the row. */
  async timed<T>(name: string, work: (count: Count) => Promise<T>): Promise<T> {
    const count = this.row(name)
    const begun = performance.now()
    try {
      return await work(count)
    } finally {
      count.ms += performance.now() - begun
    }
  }

  toString(): string {
    const rows = [...this.#counts].map(([name, count]) => [name, ...COLUMNS.map(([, cell]) => cell(count))])
    return aligned([['', ...COLUMNS.map(([heading]) => heading)], ...rows])
  }
}

function emptyCount(): Count {
  return { requests: 0, asked: 0, bytesIn: 0, stored: 0, decrypted: 0, cached: 0, ms: 0 }
}

function aligned(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
