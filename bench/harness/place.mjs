import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of this run's own, on the disk; in memory where `inMemory` and the system has such a place. */
export class Place {
  /** @type {string[]} */
  #folders = []
  /** What could not be measured here, and why: the run says so. @type {string[]} */
  leftOut = []

  /** @param {{ inMemory?: boolean }} [options] */
  folder({ inMemory = false } = {}) {
    const parent = inMemory && existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
    const folder = mkdtempSync(join(parent, 'cistern-bench-'))
    this.#folders.push(folder)
    return folder
  }

  [Symbol.dispose]() {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true })
  }
}

/** Thrown by a workload that cannot run here at all. Its message says why. */
export class Skipped extends Error {
  /** @override */
  name = 'Skipped'
}
