// What AssetStore.open says of an index that cannot be read, or changes while it is looked at.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AssetStore, CisternError, ResourceKey } from '@cistern/assets'
import { tempFolder } from '../../helpers/temp-folder.js'
import { isCode, openDisk } from '../disk/open-disk.js'
import { ioError, mockPromise } from './faults.js'

const key = ResourceKey.of('film', 'a.ts')

async function filledRoot(root: string): Promise<void> {
  await using store = await openDisk(root)
  await store.put(key, 'hello')
}

type Opened = (error: Error | null, fd?: number) => void

test('[core 54] an index file that may not be read is refused by name, and the root is free again', async (t) => {
  const root = tempFolder(t)
  await filledRoot(root)
  const journal = join(root, '_index', 'journal-1.log')
  const open = fs.open as unknown as (...given: unknown[]) => void
  let isDenied = true
  t.mock.method(fs, 'open', (...given: unknown[]) => {
    if (isDenied && given[0] === journal) process.nextTick(given.at(-1) as Opened, ioError('EACCES'))
    else open(...given)
  })
  mockPromise(t, 'open', (opened, ...given) =>
    isDenied && given[0] === journal ? Promise.reject(ioError('EACCES')) : opened(...given),
  )
  await assert.rejects(AssetStore.open({ root }), (error: Error) => {
    assert.ok(CisternError.is(error, 'ERR_CISTERN_STORAGE_IO'), String(error))
    return error.message.includes(join(root, '_index'))
  })
  isDenied = false
  await using store = await openDisk(root)
  assert.equal((await store.get(key))?.length, 5)
})

test('[core 54] an index folder that may not be listed is refused by name', async (t) => {
  const root = tempFolder(t)
  await filledRoot(root)
  mockPromise(t, 'readdir', (readdir, ...given) =>
    given[0] === join(root, '_index') ? Promise.reject(ioError('EACCES')) : readdir(...given),
  )
  await assert.rejects(AssetStore.open({ root }), (error: Error) => {
    assert.ok(CisternError.is(error, 'ERR_CISTERN_STORAGE_IO'), String(error))
    return error.message.includes(join(root, '_index'))
  })
})

test('[core 31] a journal that its owner deletes meanwhile is passed over: the owner is named', async (t) => {
  const root = tempFolder(t)
  await filledRoot(root)
  await using store = await openDisk(root)
  const journal = join(root, '_index', 'journal-1.log')
  assert.ok(fs.existsSync(journal))
  mockPromise(t, 'readdir', async (readdir, ...given) => {
    const names = await readdir(...given)
    if (given[0] === join(root, '_index')) fs.rmSync(journal, { force: true })
    return names
  })
  await assert.rejects(AssetStore.open({ root }), isCode('ERR_CISTERN_STORE_LOCKED'))
  assert.ok(!fs.existsSync(journal))
  assert.equal((await store.get(key))?.length, 5)
})
