import { writeFileSync } from 'node:fs'

/** What the JSON of a run holds, as far as these tests change it. */
export interface Row {
  workload: string
  name: string
  ratio: string
  ratios: Spread
  sides: Record<string, Spread>
  unit: string
  target?: { atLeast: number } | { atMost: number }
  growth?: { of: string; at: number[]; unit: string; sides: Record<string, Spread[]> }
  bothOurs?: boolean
}

export interface Spread {
  median: number
  min: number
  max: number
  count: number
}

export const spread = (median: number, count = 7): Spread => ({ median, min: median * 0.9, max: median * 1.1, count })

export function row(changes: Partial<Row> = {}): Row {
  return {
    workload: 'take-in',
    name: 'one resource',
    ratio: 'by hand / ours',
    ratios: spread(2),
    sides: { ours: spread(1), 'by hand': spread(2) },
    unit: 'ms',
    target: { atLeast: 1.8 },
    ...changes,
  }
}

/** A run of these rows, written as `npm run bench -- --json` does. */
export function writeRun(file: string, rows: readonly Row[], changes: object = {}): string {
  const names = [...new Set(rows.map(({ workload }) => workload))]
  const run = {
    machine: { node: 'v20.20.2', system: 'linux x64', cpu: 'a processor', cores: 2, memoryGiB: 8 },
    peers: { send: '1.2.1' },
    at: '2026-01-02T03:04:05.678Z',
    quick: false,
    workloads: names.map((name) => ({
      name,
      state: 'measured',
      seconds: 1,
      leftOut: [],
      loop: { p99Ms: 1, maxMs: 2 },
      peakMiB: 64,
    })),
    results: rows,
    ...changes,
  }
  writeFileSync(file, JSON.stringify(run))
  return file
}
