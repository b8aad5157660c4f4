import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { AssetStore, type Durability, inspectStore, ResourceKey, type StoreOptions } from '@cistern/assets'
import { type Checks, fillGaps, put } from './checks.js'
import { Disk } from './disk.js'

/** Each on a disk of its own, from one state that is known to one that the design's table names. */
export type Scenario = (folder: string, checks: Checks) => Promise<void>

const KIB = 1024
const MIB = 1024 * KIB
const film = (path: string): ResourceKey => ResourceKey.of('film', path)

function open(disk: Disk, options: Partial<StoreOptions> = {}): Promise<AssetStore> {
  return AssetStore.open({ root: join(disk.path, 'store'), minFreeBytes: 0, flushMs: 20, ...options })
}

function mountPoint(folder: string): string {
  const path = join(folder, 'disk')
  mkdirSync(path, { recursive: true })
  return path
}

const evictsForABody: Scenario = async (folder, checks) => {
  using disk = Disk.tmpfs(mountPoint(folder), 8)
  await using store = await open(disk)
  await put(store, 'old/a.ts', 1, 2 * MIB)
  await put(store, 'film/kept.ts', 2, MIB)
  await store.pin('film')
  using reader = await store.open(film('kept.ts'))
  const reasons: string[] = []
  store.on('evict', ({ asset, reason }) => reasons.push(`${asset} for ${reason}`))
  disk.fill(512 * KIB)
  await checks.resolves('a put that needs what an eviction frees', put(store, 'film/new.ts', 3, 1_500_000))
  checks.that(reasons.join() === 'old for no-space', `evicted: ${reasons}`)
  checks.that((await reader.bytes({ start: 0, end: MIB })).length === MIB, 'a reader beside it was disturbed')
  await checks.serves(store, 'film/new.ts', 3, 1_500_000)
  await checks.serves(store, 'film/kept.ts', 2, MIB)
}

const refusesABody: Scenario = async (folder, checks) => {
  using disk = Disk.tmpfs(mountPoint(folder), 8)
  {
    await using store = await open(disk)
    await put(store, 'film/kept.ts', 2, MIB)
    await store.pin('film')
    await store.checkpoint()
    disk.fill(300 * KIB)
    await using got = await store.acquire(film('new.ts'), { length: MIB })
    const { writer, reader } = got
    if (writer === undefined) return checks.that(false, 'no writer')
    await checks.rejects(
      'a write to a full disk',
      fillGaps(writer, 'film/new.ts', 3, MIB),
      'ERR_CISTERN_NO_SPACE',
      'ENOSPC',
    )
    checks.that(writer.coverage.size < MIB, 'all of it is said to be there')
    await checks.serves(store, 'film/kept.ts', 2, MIB)
    await checks.rejects('its commit', writer.commit(), 'ERR_CISTERN_INCOMPLETE')
    disk.free()
    await checks.resolves('the same writer, with room again', fillGaps(writer, 'film/new.ts', 3, MIB))
    await checks.resolves('its commit', writer.commit())
    checks.that((await reader.bytes({ start: 0, end: MIB })).length === MIB, 'its reader does not get it')
    await checks.resolves('a checkpoint', store.checkpoint())
  }
  await using store = await open(disk)
  checks.that(!store.recovery.suspect, 'found suspect')
  await checks.serves(store, 'film/new.ts', 3, MIB)
  await checks.serves(store, 'film/kept.ts', 2, MIB)
}

/** Bytes are on the disk, and then there is no room for the record. */
const refusesARecord =
  (durability: Durability): Scenario =>
  async (folder, checks) => {
    using disk = Disk.tmpfs(mountPoint(folder), 8)
    const left = join(folder, 'left')
    {
      await using store = await open(disk, { durability })
      await put(store, 'film/kept.ts', 2, MIB)
      await store.checkpoint()
      await using got = await store.acquire(film('new.ts'))
      const { writer } = got
      if (writer === undefined) return checks.that(false, 'no writer')
      await fillGaps(writer, 'film/new.ts', 3, MIB)
      await store.checkpoint()
      await checks.comes(store, 'degraded', () => fillWithRecords(store, disk))
      checks.that(store.stats().state === 'degraded', `the state is ${store.stats().state}`)
      await checks.serves(store, 'film/kept.ts', 2, MIB)
      await checks.rejects('a checkpoint', store.checkpoint(), 'ERR_CISTERN_NO_SPACE', 'ENOSPC')
      await checks.rejects('a pin', store.pin('film'), 'ERR_CISTERN_NO_SPACE', 'ENOSPC')
      const committing = writer.commit(MIB)
      if (durability === 'strict') await checks.rejects('a strict commit', committing, 'ERR_CISTERN_NO_SPACE', 'ENOSPC')
      else await checks.resolves('a commit from memory', committing)
      await checks.serves(store, 'film/new.ts', 3, MIB)
      cpSync(join(disk.path, 'store'), left, { recursive: true, preserveTimestamps: true })
      await checks.comes(store, 'restored', () => disk.free())
      await checks.resolves('a checkpoint with room again', store.checkpoint())
      checks.that(store.stats().state === 'ok', `the state is ${store.stats().state}`)
    }
    {
      await using store = await open(disk)
      checks.that(!store.recovery.suspect, 'found suspect')
      await checks.serves(store, 'film/kept.ts', 2, MIB)
      await checks.serves(store, 'film/new.ts', 3, MIB)
    }
    // What a crash on the full disk would have left. The owner named in it is alive, and its lock is no lock any more.
    const seen = await inspectStore(left)
    checks.that(seen.stat(film('kept.ts'))?.state === 'committed', 'a crash there would have lost what was durable')
    checks.that(seen.stat(film('new.ts'))?.state === 'active', 'what no record took is on record')
    const { badBlocks, missing } = await seen.verify()
    checks.that(badBlocks + missing === 0, `${badBlocks} bad blocks, ${missing} missing after a crash there`)
  }

/** Records until there is no room for one, not even in the page that the journal's last one began. */
async function fillWithRecords(store: AssetStore, disk: Disk): Promise<void> {
  disk.fill()
  for (let n = 0; n < 100 && store.stats().state === 'ok'; n++)
    await store.setMetadata(film('kept.ts'), { n, ballast: 'x'.repeat(1000) }).catch(() => undefined)
}

const keepsItsSnapshot: Scenario = async (folder, checks) => {
  using disk = Disk.tmpfs(mountPoint(folder), 12)
  const paths = ['0.ts', '1.ts', '2.ts', '3.ts', '4.ts', '5.ts', '6.ts', '7.ts']
  const describe = async (store: AssetStore, version: number): Promise<void> => {
    for (const path of paths) await store.setMetadata(film(path), { version, ballast: 'x'.repeat(60_000) })
  }
  {
    await using store = await open(disk)
    for (const path of paths) await put(store, `film/${path}`, 4, 10_000)
    await describe(store, 1)
  }
  const good = digest(join(disk.path, 'store/_index/cov.bin'))
  {
    const store = await open(disk)
    await describe(store, 2)
    await store.checkpoint()
    disk.fill(100 * KIB)
    await checks.resolves('closing where a snapshot has no room', store.close())
  }
  checks.that(digest(join(disk.path, 'store/_index/cov.bin')) === good, 'a snapshot cut short has replaced a good one')
  for (const isFull of [true, false]) {
    if (!isFull) disk.free()
    await using store = await open(disk)
    checks.that(!store.recovery.suspect, `found suspect (${isFull ? 'full' : 'free'})`)
    for (const path of paths) {
      const { version } = (store.stat(film(path))?.metadata ?? {}) as { readonly version?: number }
      checks.that(version === 2, `film/${path} has metadata of version ${version} (${isFull ? 'full' : 'free'})`)
      await checks.serves(store, `film/${path}`, 4, 10_000)
    }
  }
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

const runsOutOfInodes =
  (kind: 'tmpfs' | 'ext4'): Scenario =>
  async (folder, checks) => {
    const at = mountPoint(folder)
    using disk = kind === 'tmpfs' ? Disk.tmpfs(at, 8, 60) : Disk.ext4(at, join(folder, 'image'), 16, 64)
    {
      await using store = await open(disk)
      await put(store, 'film/kept.ts', 2, 10_000)
      await store.pin('film')
      let evictions = 0
      store.on('evict', () => evictions++)
      for (let n = 0; n < 80; n++)
        await checks.resolves(`put ${n} with nothing but inodes short`, put(store, `short-${n}/a.ts`, 5, 1_000))
      checks.that(evictions > 0, 'nothing was evicted')
      const pinning = [...store.assets()].map(({ asset }) => store.pin(asset))
      await Promise.all(pinning)
      const refused = async () => {
        for (let n = 0; n < 80; n++) await put(store, `film/more-${n}.ts`, 6, 1_000)
      }
      await checks.rejects('a put with all pinned', refused(), 'ERR_CISTERN_NO_SPACE', 'ENOSPC')
      await checks.serves(store, 'film/kept.ts', 2, 10_000)
      await store.removeAsset('short-79')
      await checks.resolves('a put with an inode free again', put(store, 'film/last.ts', 7, 1_000))
      await checks.resolves('a checkpoint', store.checkpoint())
      await store.removeAsset('short-78') // whoever opens it needs a few, for the lock and the owner
      await store.removeAsset('short-77')
      await store.removeAsset('short-76')
    }
    await using store = await open(disk)
    checks.that(!store.recovery.suspect, 'found suspect')
    await checks.serves(store, 'film/kept.ts', 2, 10_000)
    await checks.serves(store, 'film/last.ts', 7, 1_000)
  }

const turnsReadonly: Scenario = async (folder, checks) => {
  using disk = Disk.ext4(mountPoint(folder), join(folder, 'image'), 32)
  {
    const store = await open(disk)
    await put(store, 'film/kept.ts', 2, MIB)
    const { writer, reader } = await store.acquire(film('half.ts'), { length: MIB })
    await writer?.writeFrom([new Uint8Array(1000)])
    await store.checkpoint()
    await checks.comes(store, 'degraded', async () => {
      disk.turnReadonly()
      if (writer)
        await checks.rejects('a write', fillGaps(writer, 'film/half.ts', 3, MIB), 'ERR_CISTERN_STORAGE_IO', 'EROFS')
      await checks.rejects('a pin', store.pin('film'), 'ERR_CISTERN_STORAGE_IO')
    })
    await checks.rejects('a put', put(store, 'film/new.ts', 3, 1_000), 'ERR_CISTERN_STORAGE_IO', 'EROFS')
    await checks.rejects('a checkpoint', store.checkpoint(), 'ERR_CISTERN_STORAGE_IO')
    await checks.serves(store, 'film/kept.ts', 2, MIB)
    reader.close()
    await checks.rejects('closing', store.close(), 'ERR_CISTERN_STORAGE_IO')
  }
  disk.repair()
  // A lock on a medium that takes nothing cannot be taken away either: it ends by its age.
  for (const name of ['lock', 'claim']) utimesSync(join(disk.path, 'store/_index', name), 1, 1)
  await using store = await open(disk)
  checks.that(!store.recovery.suspect, 'found suspect')
  await checks.serves(store, 'film/kept.ts', 2, MIB)
  checks.that(store.stat(film('new.ts')) === undefined, 'what was refused is there')
  await checks.resolves('a put after the repair', put(store, 'film/new.ts', 3, 1_000))
}

const opensOnAFullDisk: Scenario = async (folder, checks) => {
  using disk = Disk.tmpfs(mountPoint(folder), 8)
  disk.fill()
  const says = (what: string, error: Error | undefined) =>
    checks.that(/free .*space/i.test(error?.message ?? ''), `${what} does not say what to do: ${error?.message}`)
  says('a new store', await checks.rejects('a new store', open(disk), 'ERR_CISTERN_NO_SPACE', 'ENOSPC'))
  disk.free()
  {
    await using store = await open(disk)
    await put(store, 'film/kept.ts', 2, MIB)
  }
  disk.fill()
  says('an old store', await checks.rejects('an old store', open(disk), 'ERR_CISTERN_NO_SPACE', 'ENOSPC'))
  const seen = await inspectStore(join(disk.path, 'store'))
  checks.that(seen.stat(film('kept.ts'))?.length === MIB, 'looked at on the full disk, it is not there')
  disk.free()
  await using store = await open(disk)
  checks.that(!store.recovery.suspect, 'found suspect')
  await checks.serves(store, 'film/kept.ts', 2, MIB)
}

const leavesFreeBytes: Scenario = async (folder, checks) => {
  using disk = Disk.tmpfs(mountPoint(folder), 16)
  const minFreeBytes = 4 * MIB
  const slack = 300 * KIB // folders, the journal, pages that are not full
  await using store = await open(disk, { minFreeBytes })
  for (let n = 0; n < 30; n++) {
    await checks.resolves(`put ${n}`, put(store, `film-${n}/a.ts`, 1, MIB))
    checks.that(disk.freeBytes >= minFreeBytes - slack, `${disk.freeBytes} bytes are left free after put ${n}`)
  }
  await Promise.all([...store.assets()].map(({ asset }) => store.pin(asset)))
  const { freeBytes } = disk
  await checks.rejects('a put with all pinned', put(store, 'film/new.ts', 3, 3 * MIB), 'ERR_CISTERN_QUOTA_EXCEEDED')
  checks.that(disk.freeBytes >= freeBytes - slack, 'a refused put took room')
  await store.setLimits({ minFreeBytes: 0 })
  await checks.resolves('a put without the limit', put(store, 'film/new.ts', 3, 3 * MIB))
  await checks.serves(store, 'film/new.ts', 3, 3 * MIB)
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a body, with something to evict': evictsForABody,
  'a body, with nothing to evict': refusesABody,
  'a record (ordered)': refusesARecord('ordered'),
  'a record (strict)': refusesARecord('strict'),
  'a record (relaxed)': refusesARecord('relaxed'),
  'a snapshot': keepsItsSnapshot,
  'inodes (tmpfs)': runsOutOfInodes('tmpfs'),
  'inodes (ext4)': runsOutOfInodes('ext4'),
  'read-only after an error': turnsReadonly,
  'opening on a full disk': opensOnAFullDisk,
  minFreeBytes: leavesFreeBytes,
}
