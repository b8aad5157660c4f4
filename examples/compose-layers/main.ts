// A store put together by hand: own layers around the library's, over a backend that is not files.
import assert from 'node:assert/strict'
import { type AssetStore, driverAssets, openStore, volatileIndex } from '@cistern/assets'
import { blockBackend, type Shelf } from './block-backend.js'
import { type Counts, counting } from './counting.js'
import { TenantQuotaError, tenantQuota } from './tenant-quota.js'

const QUOTA = 1024 * 1024

const shelf: Shelf = new Map()
const counts: Counts = { opens: 0, acquires: 0, open: 0, bytesRead: 0 }

await using store = await openStore(driverAssets(blockBackend(shelf)), volatileIndex(), {
  // Outermost first. Counting sees every call, hits of the cache too; the quota stands where writes pass as they came.
  layers: ({ lease, cached, processing, evict }) => [
    counting(counts),
    lease,
    cached,
    tenantQuota(QUOTA),
    processing,
    evict,
  ],
  minFreeBytes: 0,
})
await streamed(store)
await refused(store)
await together(store)
await removed(store)
console.log('all as it should be')

/** Nothing that the store promises depends on files: reading while writing, for one. */
async function streamed(store: AssetStore): Promise<void> {
  const body = Buffer.alloc(300_000, 'blocks, not files. ')
  await using got = await store.asset('anna.film').acquire('a.ts')
  assert.ok(got.writer)
  await got.writer.writeAt(0, body.subarray(0, 100_000))
  assert.deepEqual(Buffer.from(await got.reader.bytes({ end: 100_000 })), body.subarray(0, 100_000))
  await got.writer.writeAt(100_000, body.subarray(100_000))
  await got.writer.commit()
  assert.deepEqual(Buffer.from((await store.asset('anna.film').get('a.ts')) ?? []), body)
  const blocks = [...shelf.values()].reduce((sum, { size }) => sum + size, 0)
  assert.equal(blocks, Math.ceil(body.length / 65_536))
  console.log(`backend: ${body.length} bytes in ${blocks} blocks, read while written`)
}

/** One tenant's limit is that tenant's: the write is refused, the writer goes on, others do not notice. */
async function refused(store: AssetStore): Promise<void> {
  await using got = await store.asset('anna.film').acquire('b.ts')
  assert.ok(got.writer)
  await got.writer.writeAt(0, Buffer.alloc(500_000, 1))
  await assert.rejects(got.writer.writeAt(500_000, Buffer.alloc(500_000, 2)), TenantQuotaError)
  await store.asset('bert.film').put('a.ts', Buffer.alloc(900_000, 3))

  assert.equal(await store.asset('anna.film').remove('a.ts'), true)
  await got.writer.writeAt(500_000, Buffer.alloc(500_000, 2))
  assert.equal(await got.writer.commit(), 1_000_000)
  console.log(`quota: refused past ${QUOTA} bytes; after a removal the same writer went on`)
}

/** Neither of two writers at once is too large; both would be. And what is being replaced counts until it is gone. */
async function together(store: AssetStore): Promise<void> {
  const film = store.asset('cleo.film')
  const half = Buffer.alloc(600_000, 4)
  const both = await Promise.allSettled([film.put('a.ts', half), film.put('b.ts', half)])
  const refusals = both.flatMap((put) => (put.status === 'rejected' ? [put.reason] : []))
  assert.equal(refusals.length, 1)
  assert.ok(refusals[0] instanceof TenantQuotaError)

  const stored = film.stat('a.ts') ? 'a.ts' : 'b.ts'
  await assert.rejects(film.put(stored, half), TenantQuotaError)
  assert.deepEqual(Buffer.from((await film.get(stored)) ?? []), half)
  assert.equal(await store.removeAsset('cleo.film'), true)
  console.log(
    'quota: of two writers at once one was refused, and so was a replacement with no room beside the original',
  )
}

async function removed(store: AssetStore): Promise<void> {
  assert.equal(await store.removeAsset('anna.film'), true)
  assert.equal(await store.removeAsset('bert.film'), true)
  // Unlinking comes after hiding: a checkpoint waits for what is still to be done.
  await store.checkpoint()
  assert.equal(shelf.size, 0)
  assert.equal(counts.open, 0, 'every reader that was handed out is closed')
  assert.ok(counts.acquires >= 3 && counts.bytesRead >= 400_000)
  console.log(
    `counted: ${counts.acquires} acquires, ${counts.opens} opens, ${counts.bytesRead} bytes read, nothing left on the shelf`,
  )
}
