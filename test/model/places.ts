import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AssetStore } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { openFilesUnder, showsDescriptors } from '../helpers/descriptors.js'
import { inTempFolder } from '../helpers/temp-folder.js'
import { copyAsAfterKill } from './crash-image.js'
import type { Place } from './run.js'

export const memory: Place = {
  open: ({ flushMs }) => MemStore.open({ flushMs }),
  keeps: false,
  assertClosed: () => undefined,
}

/** Fast where there is one: what is modelled here is not what a disk does. */
const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder of its own for as long as `use` runs. */
export function onDisk<T>(use: (place: Place) => Promise<T>, within: string = folder): Promise<T> {
  return inTempFolder((root) => use(diskPlace(root)), within)
}

function diskPlace(root: string): Place {
  return {
    open: ({ flushMs, durability }) => AssetStore.open({ root, flushMs, durability, minFreeBytes: 0 }),
    keeps: true,
    afterKill: (use) =>
      inTempFolder(async (beside) => {
        const copy = join(beside, 'copy')
        await copyAsAfterKill(root, copy)
        await using store = await AssetStore.open({ root: copy, minFreeBytes: 0 })
        await use(store)
      }, dirname(root)),
    assertClosed: (unfinished) => {
      if (showsDescriptors) assert.deepEqual(openFilesUnder(root), [], 'open files after close')
      const parts = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part'))
      assert.equal(parts.length, unfinished, `parts after close: ${parts}`)
    },
  }
}
