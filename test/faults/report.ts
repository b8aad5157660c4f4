import { writeSync } from 'node:fs'

/** What a key holds once an operation took: content of a nonce, committed at a length, or nothing committed. */
export type Held = {
  readonly nonce: number
  readonly length: number
  /** Which metadata, where it is replaced without the bytes. */
  readonly edition?: number | undefined
  /** The key that the bytes were written under, where they were moved. */
  readonly of?: string | undefined
} | null

/** What a child says about itself, one JSON line each, in the order in which things happened. */
export type Report =
  | { readonly is: 'opening' }
  | { readonly is: 'opened'; readonly ms: number }
  /** An operation on a key begins, and will have made it hold `held` when it is done. */
  | { readonly is: 'begin'; readonly key: string; readonly held: Held }
  /** `synced`: its promise waits for its sync, in `ordered` too. */
  | { readonly is: 'done'; readonly key: string; readonly held: Held; readonly synced?: boolean | undefined }
  /** It was refused or undone by something that is allowed to; what the key holds is open. */
  | { readonly is: 'undone'; readonly key: string; readonly why: string }
  | { readonly is: 'begin-pin' | 'done-pin'; readonly asset: string; readonly pinned: boolean }
  | { readonly is: 'begin-remove-asset' | 'done-remove-asset'; readonly asset: string }
  | { readonly is: 'begin-checkpoint' | 'done-checkpoint' }
  /** What the store itself says after a fault, or at the end of a step: not always what was reported done. */
  | { readonly is: 'holds'; readonly key: string; readonly held: Held }
  | { readonly is: 'step'; readonly name: string }
  /** It was refused with an error that the fault allows. */
  | { readonly is: 'refused'; readonly step: string; readonly code: string }
  /** What was written to it is given up: the store's own event. */
  | { readonly is: 'failed'; readonly key: string }
  | { readonly is: 'degraded' | 'restored' | 'finished' }
  /** Something that should happen now and then, and is counted. */
  | { readonly is: 'met'; readonly what: string; readonly times?: number | undefined }
  | { readonly is: 'violation'; readonly what: string }
  /** A call failed that nothing was to make fail. */
  | { readonly is: 'failure'; readonly what: string }

/** Written synchronously: what was said before a SIGKILL is in the pipe, and what was not said did not happen yet. */
export function say(report: Report): void {
  writeSync(1, `${JSON.stringify(report)}\n`)
}

/** A last line cut off by the kill is not a report. */
export function reportsIn(output: string): Report[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Report)
}
