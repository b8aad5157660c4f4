import { writeSync } from 'node:fs'
import type { Held, Report } from '../report.js'

/** What an owner says besides what any busy store says. */
export type OwnerReport =
  | Report
  /** It was refused, with whom it was told of. */
  | { readonly is: 'locked'; readonly holder: number | undefined; readonly code: string }
  /** What a key holds at opening. */
  | { readonly is: 'seen'; readonly key: string; readonly held: Held }
  | { readonly is: 'working' }
  /** Content of `nonce` is about to be written to a key whose history nobody follows. */
  | { readonly is: 'loose'; readonly key: string; readonly nonce: number }
  /** A call that changes what lies in a folder is made, and came back. */
  | { readonly is: 'call'; readonly id: number; readonly name: string; readonly paths: readonly string[] }
  | { readonly is: 'came-back'; readonly id: number }
  | { readonly is: 'stopping'; readonly at: string }
  | { readonly is: 'readonly' }
  | { readonly is: 'refused'; readonly what: string }
  | { readonly is: 'closed'; readonly error: string | undefined }

/** Written synchronously, as `say` does it. */
export function tell(report: OwnerReport): void {
  writeSync(1, `${JSON.stringify(report)}\n`)
}

export function ownerReportsIn(output: string): OwnerReport[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as OwnerReport)
}

/** Of those that say this. */
export function saying<Is extends OwnerReport['is']>(
  reports: readonly OwnerReport[],
  is: Is,
): Extract<OwnerReport, { is: Is }>[] {
  return reports.filter((report): report is Extract<OwnerReport, { is: Is }> => report.is === is)
}
