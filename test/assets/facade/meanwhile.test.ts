// What happens to a key while somebody is being given it, or waits for room: nothing is held by nobody afterwards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AssetStore,
  CisternError,
  fingerprint,
  type Processor,
  ProcessorMismatchError,
  ResourceAbandonedError,
  ResourceKey,
  ResourceRemovedError,
  StoreClosedError,
} from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'
import { onBoth } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')
const of = (asset: string): ResourceKey => ResourceKey.of(asset, 'a.ts')

/** Each byte with `mask` on it. */
const masking = (mask: number): Processor => ({
  identity: fingerprint('masking', Uint8Array.of(mask)),
  begin: () => ({ update: (chunk) => chunk.map((byte) => byte ^ mask), final: () => new Uint8Array() }),
})

function assertNothingHeld(store: AssetStore): void {
  const { readers, writers, state } = store.stats()
  assert.deepEqual({ readers, writers }, { readers: 0, writers: 0 })
  if (state !== 'closed') assert.equal(store.assetStat('film')?.leases ?? 0, 0, 'leases')
}

const LONG_MS = 20_000 // a disk that others use takes its time

/** Turns of the event loop until `holds`, if ever. */
async function soon(holds: () => boolean): Promise<void> {
  for (const begun = performance.now(); !holds() && performance.now() - begun < LONG_MS; ) await eventLoopTurn()
}

onBoth('[core 22] a resource removed while its processor is made is held by nobody', async (open) => {
  await using store = await open({ maxBytes: 1_000_000 })
  const made = deferred<Processor>()
  const acquiring = store.acquire(key, { processor: () => made.promise })
  while (!(await store.remove(key))) await eventLoopTurn()
  made.resolve(masking(1))
  const got = await acquiring.catch(() => undefined)
  await got?.[Symbol.asyncDispose]()
  assertNothingHeld(store)
  await store.put(key, new Uint8Array(600_000))
  await store.put(of('other'), new Uint8Array(600_000)) // in place of the first, which nothing keeps
})

onBoth('[core 18] a fill whose resource was removed before it began is not called', async (open) => {
  await using store = await open()
  const made = deferred<Processor>()
  let isCalled = false
  const filling = store.openOrFill(
    key,
    async () => {
      isCalled = true
    },
    { processor: () => made.promise },
  )
  while (!(await store.remove(key))) await eventLoopTurn()
  made.resolve(masking(1))
  const reader = await filling.catch(() => undefined)
  await eventLoopTurn()
  reader?.close()
  assert.equal(isCalled, false)
  assertNothingHeld(store)
})

onBoth('[core 26] a removal at any moment of an acquire says so, and leaves nothing held', async (open) => {
  await using store = await open()
  const lost: unknown[] = []
  store.on('leak', (leak) => lost.push(leak))
  for (let ticks = 0; ticks < 50; ticks++) {
    const acquiring = store.acquire(key)
    acquiring.catch(() => {})
    for (let tick = 0; tick < ticks; tick++) await undefined
    await store.remove(key)
    try {
      await (await acquiring)[Symbol.asyncDispose]()
    } catch (error) {
      assert.ok(ResourceRemovedError.is(error), `after ${ticks} microtasks: ${error}`)
    }
    await store.remove(key)
    assertNothingHeld(store)
  }
})

onBoth('[core 18] a store that closes at any moment of openOrFill ends the fill, if it began', async (open) => {
  for (let ticks = 0; ticks < 60; ticks++) {
    const store = await open()
    let signal: AbortSignal | undefined
    const filling = store.openOrFill(ResourceKey.of('film', `${ticks}.ts`), async (_, aborted) => {
      signal = aborted
      await new Promise((_, reject) => {
        if (aborted.aborted) reject(aborted.reason)
        aborted.addEventListener('abort', () => reject(aborted.reason))
      })
    })
    filling.then((reader) => reader.close()).catch(() => {})
    for (let tick = 0; tick < ticks; tick++) await undefined
    await store.close()
    await eventLoopTurn()
    assert.notEqual(signal?.aborted, false, `after ${ticks} microtasks`)
    assertNothingHeld(store)
  }
})

for (const how of ['remove', 'fail'] as const) {
  test(`[core 25] a ${how} while several writes wait for room goes through, and room is given to others`, async () => {
    const unlinking = deferred()
    await using store = await MemStore.open({
      maxBytes: 1000,
      fault: ({ op, key }) => (op === 'remove' && key?.asset === 'old' ? unlinking.promise : undefined),
    })
    await store.put(of('pinned'), new Uint8Array(400))
    await store.pin('pinned')
    await store.put(of('old'), new Uint8Array(150))
    const { reader, writer } = await store.acquire(key)
    assert.ok(writer)
    reader.close()
    // The second waits until `old` is gone, the third is of the same round.
    const writes = [[0, 400] as const, [400, 150] as const, [550, 450] as const].map(([at, length]) =>
      writer.writeAt(at, new Uint8Array(length)),
    )
    const outcomes = Promise.allSettled(writes)
    while ((await stateOf(writes[0] as Promise<void>)) === 'pending') await eventLoopTurn()
    const ended = how === 'remove' ? store.remove(key) : writer.fail(new Error('mine'))
    await eventLoopTurn()
    unlinking.resolve()
    await ended
    for (const { status } of (await outcomes).slice(1)) assert.equal(status, 'rejected')
    await store.put(of('other'), new Uint8Array(500))
  })
}

onBoth('[core 23] writers that come and go leave of a processed resource what its source occupies', async (open) => {
  await using store = await open({ maxBytes: 10_000 })
  for (let round = 0; round < 5; round++) {
    await using got = await store.acquire(key, { processor: masking(1) })
    await got.writer?.writeAt(0, new Uint8Array(1000))
    assert.equal(store.assetStat('film')?.bytes, 2000) // source and output
  }
  await store.checkpoint()
  await soon(() => store.assetStat('film')?.bytes === 1000)
  assert.equal(store.assetStat('film')?.bytes, 1000)
  await store.removeAsset('film')
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})

test('[core 25] a read that fails after its resource was removed makes no room that is not there', async () => {
  for (const isCommitted of [true, false]) {
    let isBroken = false
    await using store = await MemStore.open({
      fault: ({ op }) => {
        if (op === 'read' && isBroken) throw Object.assign(new Error('EIO'), { code: 'EIO' })
      },
    })
    await using got = await store.acquire(key)
    await got.writer?.writeAt(0, new Uint8Array(5000))
    if (isCommitted) await got.writer?.commit()
    await store.remove(key)
    isBroken = true
    await assert.rejects(got.reader.readAt(0, new Uint8Array(5000)), { code: 'ERR_CISTERN_STORAGE_IO' })
    assert.ok(store.stats().bytes >= 0, `${store.stats().bytes} bytes`)
  }
})

onBoth('[core 43] a fill and a rewrite through two processors do not take each other for their own', async (open) => {
  await using store = await open()
  await using filling = await store.acquire(key, { processor: masking(1) })
  await using rewriting = await store.acquire(key, { processor: masking(2), mode: 'rewrite' })
  assert.ok(filling.writer && rewriting.writer)
  await (await store.acquire(key, { processor: masking(1) }))[Symbol.asyncDispose]()
  await (await store.acquire(key, { processor: masking(2), mode: 'rewrite' }))[Symbol.asyncDispose]()
  await assert.rejects(store.acquire(key, { processor: masking(2) }), ProcessorMismatchError)
  await assert.rejects(store.acquire(key, { processor: masking(1), mode: 'rewrite' }), ProcessorMismatchError)
})

onBoth('[core 43] a rewrite through a processor is joined through it, one without is joined without', async (open) => {
  await using store = await open()
  {
    await using processed = await store.acquire(key, { processor: masking(1), mode: 'rewrite' })
    assert.ok(processed.writer)
    await assert.rejects(store.acquire(key, { mode: 'rewrite' }), ProcessorMismatchError)
    await assert.rejects(store.acquire(key, { mode: 'extend' }), ProcessorMismatchError)
  }
  await using raw = await store.acquire(key, { mode: 'rewrite' })
  assert.ok(raw.writer)
  await assert.rejects(store.acquire(key, { processor: () => masking(1), mode: 'rewrite' }), ProcessorMismatchError)
})

onBoth('[core 18] a fill that rejects with what cannot be made a string releases like another', async (open) => {
  await using store = await open()
  using reader = await store.openOrFill(key, () => Promise.reject(Object.create(null)))
  await assert.rejects(reader.waitCommit(), ResourceAbandonedError)
  assert.equal(store.stat(key)?.writing ?? false, false)
})

onBoth('a store may be closed from a signal that its closing aborts', async (open) => {
  const store = await open()
  const again = deferred<Promise<void>>()
  using _reader = await store.openOrFill(key, async (_, signal) => {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        assert.throws(() => store.stat(key), StoreClosedError)
        again.resolve(Promise.resolve(store.close()))
        resolve()
      })
    })
  })
  await eventLoopTurn()
  const closed = store.close()
  await again.promise
  await closed
  assert.equal(store.close(), closed)
  assert.equal(store.stats().state, 'closed')
})

onBoth('[core 27] who joins an extension needs no room for a copy', async (open) => {
  await using store = await open({ maxBytes: 1000 })
  await store.put(key, new Uint8Array(450))
  await using extending = await store.acquire(key, { mode: 'extend' })
  await using joining = await store.acquire(key, { mode: 'extend' })
  assert.ok(extending.writer && !joining.writer)
})

onBoth('[core 23] a resource moved into a new asset makes room for it', async (open) => {
  await using store = await open({ maxAssets: 1 })
  await store.put(ResourceKey.of('film', 'a.ts'), 'a')
  await store.put(ResourceKey.of('film', 'b.ts'), 'b')
  await store.move(ResourceKey.of('film', 'b.ts'), of('other'))
  await soon(() => store.stats().assets === 1)
  assert.equal(store.stats().assets, 1)
  assert.ok(store.stat(of('other')), 'the one used last stays')
})

onBoth('[core 42] a transform may give back the very chunk it was given, or part of it', async (open) => {
  const source = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251)
  for (const [identity, skip] of [
    ['as it is', 0],
    ['without a header', 16],
  ] as const) {
    const begin = (): ReturnType<Processor['begin']> => {
      let left = skip
      return {
        update: (chunk) => {
          const cut = Math.min(left, chunk.length)
          left -= cut
          return chunk.subarray(cut)
        },
        final: () => new Uint8Array(),
      }
    }
    await using store = await open()
    await using got = await store.acquire(ResourceKey.of('film', `${skip}.ts`), { processor: { identity, begin } })
    const pieces: Promise<void>[] = []
    for (let at = 0; at < source.length; at += 1000)
      pieces.push(got.writer?.writeAt(at, source.subarray(at, at + 1000)) as Promise<void>)
    await Promise.all(pieces)
    await got.writer?.commit()
    assert.equal(Buffer.compare(await got.reader.bytes(), source.subarray(skip)), 0, identity)
  }
})

test('[core 42] what comes in is not taken in when its resource is removed before it came through', async () => {
  await using store = await MemStore.open()
  const hanging: Processor = {
    identity: 'hanging',
    begin: () => ({ update: () => new Promise(() => {}), final: () => new Uint8Array() }),
  }
  await using got = await store.acquire(key, { processor: hanging })
  const written = got.writer?.writeAt(0, new Uint8Array(10)) as Promise<void>
  await eventLoopTurn()
  const refused = assert.rejects(written, (error) => CisternError.is(error, 'ERR_CISTERN_REMOVED'))
  await store.remove(key)
  await refused
})
