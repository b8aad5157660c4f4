import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Looking at a store changes it: a copy of what the dead process left waits until it is known whether it is of interest. */
export class Kept {
  readonly #aside: string

  constructor(folder: string) {
    this.#aside = join(folder, 'left')
  }

  aside(store: string): void {
    rmSync(this.#aside, { recursive: true, force: true })
    if (existsSync(store)) cpSync(store, this.#aside, { recursive: true, preserveTimestamps: true })
  }

  /** Where it can be looked at when all is over, with what was said on the way there. */
  forGood(said: string = ''): string {
    const kept = mkdtempSync(join(tmpdir(), 'cistern-faults-'))
    if (existsSync(this.#aside)) cpSync(this.#aside, kept, { recursive: true, preserveTimestamps: true })
    writeFileSync(join(kept, 'said.jsonl'), said)
    return kept
  }
}
