import assert from 'node:assert/strict'
import fs, { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { rm, unlink, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { Folders } from '#assets/disk/folders.js'
import { tempFolder } from '../../helpers/temp-folder.js'

test('[core 26] what is begun in a folder whose last file is being removed finds its folder', async (t) => {
  const root = tempFolder(t)
  const folders = new Folders(root)
  const folder = join(root, 'film', 'part')
  const comeAndGo = async (name: string): Promise<void> => {
    for (let round = 0; round < 250; round++) {
      const file = join(folder, `${name}${round}`)
      await folders.during(folder, () => writeFile(file, '', { flag: 'wx' }))
      await rm(file)
      await folders.emptying(folder, async () => {})
    }
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(comeAndGo))
  assert.ok(!existsSync(join(root, 'film')), 'empty folders go with their last file')
  assert.ok(existsSync(root))
})

test('a folder above one in which something is being made stays', async (t) => {
  const root = tempFolder(t)
  const folders = new Folders(root)
  const below = join(root, 'film', 'part')
  await folders.during(below, async () => {
    if (!existsSync(below)) throw Object.assign(new Error('not there yet'), { code: 'ENOENT' })
    await folders.emptying(below, async () => {})
    writeFileSync(join(below, 'a'), '')
  })
  assert.ok(existsSync(join(below, 'a')))
})

test('a folder that a full medium has no inode for is a full medium, and no missing folder [core 51]', async (t) => {
  const root = tempFolder(t)
  const folder = join(root, 'film', 'part')
  const mkdir = fs.promises.mkdir
  const full = Object.assign(new Error('no inode is free'), { code: 'ENOSPC' })
  const mocked = t.mock.method(fs.promises, 'mkdir', async (path: string, options: { recursive?: boolean }) => {
    // As node does it: with `recursive` it looks whether the folder is there, and tells of that.
    if (options.recursive) throw Object.assign(new Error('no such folder'), { code: 'ENOENT' })
    if (path === folder) throw full
    return mkdir(path, options)
  })
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
  await assert.rejects(
    new Folders(root).during(folder, () => writeFile(join(folder, 'a'), '')),
    full,
  )
})

test('what fails for another reason is tried once', async (t) => {
  const folders = new Folders(tempFolder(t))
  let tries = 0
  const refused = folders.during('film', async () => {
    tries++
    throw Object.assign(new Error('no'), { code: 'EACCES' })
  })
  await assert.rejects(refused, { code: 'EACCES' })
  assert.equal(tries, 1)
})

test('a folder goes with the last of those who empty it at once, however the others end', async (t) => {
  const folder = join(tempFolder(t), 'film')
  mkdirSync(folder)
  const folders = new Folders(join(folder, '..'))
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  for (const name of names) writeFileSync(join(folder, name), '')
  const ends = await Promise.allSettled(
    [...names, 'never there'].map((name) => folders.emptying(folder, () => unlink(join(folder, name)))),
  )
  assert.equal(ends.filter(({ status }) => status === 'rejected').length, 1)
  assert.ok(!existsSync(folder))
})
