import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { AssetStore } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { openFilesUnder, showsDescriptors } from '../helpers/descriptors.js'
import { inTempFolder } from '../helpers/temp-folder.js'
import type { Place } from './run.js'

export const memory: Place = {
  open: () => MemStore.open(),
  keeps: false,
  assertClosed: () => undefined,
}

/** Fast where there is one: what is modelled here is not what a disk does. */
const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder of its own for as long as `use` runs. */
export function onDisk<T>(use: (place: Place) => Promise<T>): Promise<T> {
  return inTempFolder((root) => use(diskPlace(root)), folder)
}

function diskPlace(root: string): Place {
  return {
    open: () => AssetStore.open({ root, flushMs: 1, minFreeBytes: 0 }),
    keeps: true,
    assertClosed: (unfinished) => {
      if (showsDescriptors) assert.deepEqual(openFilesUnder(root), [], 'open files after close')
      const parts = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part'))
      assert.equal(parts.length, unfinished, `parts after close: ${parts}`)
    },
  }
}
