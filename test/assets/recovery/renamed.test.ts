import assert from 'node:assert/strict'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ResourceKey } from '@cistern/assets'
import { DiskBackend } from '#assets/disk/disk-backend.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openOver } from './faults.js'

const open = ResourceKey.of('film', 'open.ts')
const closed = ResourceKey.of('film', 'closed.ts')

/** Notes under how many names it is to look for what it removes. */
class NotingBackend extends DiskBackend {
  readonly removed = new Map<string, number>()

  override async remove(name: string, generation: string, published: boolean, isRenamed?: boolean): Promise<void> {
    this.removed.set(name, Number(published) + Number(generation !== '' && !isRenamed))
    await super.remove(name, generation, published, isRenamed)
  }
}

test('what this process has given its final name is looked for under no other; what an earlier one has, is', async (t) => {
  const root = tempFolder(t)
  const first = new NotingBackend(root)
  {
    await using store = await openOver(root, first, { cacheEntries: 0 })
    for (const key of [open, closed]) await store.put(key, 'bytes')
    await store.checkpoint()
    using reader = await store.open(open)
    await store.removeAsset('film')
    assert.equal(reader.status.state, 'committed')
    assert.deepEqual(Object.fromEntries(first.removed), { 'film/open.ts': 1, 'film/closed.ts': 1 })
    for (const key of [open, closed]) await store.put(key, 'bytes')
  }
  const second = new NotingBackend(root)
  await using store = await openOver(root, second, { cacheEntries: 0 })
  using _ = await store.open(open)
  await store.removeAsset('film')
  assert.deepEqual(Object.fromEntries(second.removed), { 'film/open.ts': 2, 'film/closed.ts': 2 })
})

test('a rename that is on record, and that a power cut has undone, leaves nothing behind once it is removed', async (t) => {
  const root = tempFolder(t)
  let generation = ''
  {
    await using store = await openOver(root, new DiskBackend(root))
    await store.put(closed, 'bytes')
    await store.checkpoint()
    using reader = await store.open(closed)
    generation = reader.generation
  }
  const final = join(root, closed.id)
  renameSync(final, `${final}.${generation}.part`)
  await using store = await openOver(root, new DiskBackend(root))
  assert.equal(await store.remove(closed), true)
  await store.checkpoint()
  assert.equal(existsSync(join(root, 'film')) && readdirSync(join(root, 'film')).length > 0, false)
})
