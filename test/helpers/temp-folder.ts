import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const PREFIX = 'cistern-test-'

/**
 * A fresh folder, removed when the test ends. `t.after` hooks run in the order they were registered, so close stores
 * before that: with `await using`, or with a `t.after` of an earlier line.
 */
export function tempFolder(t: TestContext, within: string = tmpdir()): string {
  const folder = createFolder(within)
  t.after(() => removeFolder(folder))
  return folder
}

/** The same for what runs many times inside one test: the folder lives as long as `use` runs. */
export async function inTempFolder<T>(use: (folder: string) => Promise<T>, within: string = tmpdir()): Promise<T> {
  const folder = createFolder(within)
  try {
    return await use(folder)
  } finally {
    removeFolder(folder)
  }
}

/** Resolved, because /proc/self/fd and error paths name the real place. */
function createFolder(within: string): string {
  return realpathSync(mkdtempSync(join(within, PREFIX)))
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
