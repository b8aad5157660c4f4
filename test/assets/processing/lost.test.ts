import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { onBoth } from '../facade/stores.js'
import { PositionXor, staged } from './staged.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const key = ResourceKey.of('film', 'a.ts')

async function collectUntil(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !done(); turn++) {
    collect()
    await eventLoopTurn()
  }
}

test('[core 16] a writer with a processor that is lost unsettled lets go of all it holds', async () => {
  const processor = new PositionXor()
  const { raw, output } = await lost(processor)
  await collectUntil(() => !raw.writing && !output.writing)
  assert.equal(raw.writing, false)
  assert.equal(output.writing, false)
  assert.equal(raw.handles, 0)
  assert.equal(processor.closed, 1)
})

async function lost(processor: PositionXor): Promise<Pick<Awaited<ReturnType<typeof staged>>, 'raw' | 'output'>> {
  const { writer, reader, raw, output } = await staged(processor)
  await writer.writeAt(0, new Uint8Array(100))
  reader.close()
  return { raw, output }
}

onBoth(
  '[core 16] an acquisition with a processor that is lost is found, told, and its bytes go to the next',
  async (open) => {
    await using store = await open()
    const told = new Set<string>()
    store.on('leak', ({ key, what }) => told.add(`${what} of ${key.id}`))
    const processor = new PositionXor()
    await loseAcquisition(store, processor)
    await collectUntil(() => store.stats().readers === 0 && store.stats().writers === 0)
    assert.ok(told.has('writer of film/a.ts') && told.has('reader of film/a.ts'))
    assert.equal(store.stats().writers, 0)
    assert.equal(store.stats().readers, 0)
    assert.equal(store.assetStat('film')?.leases, 0)
    assert.equal(processor.closed, 1)
    await using got = await store.acquire(key, { processor })
    assert.equal(got.writer?.coverage.size, 100)
  },
)

async function loseAcquisition(store: AssetStore, processor: PositionXor): Promise<void> {
  const got = await store.acquire(key, { processor })
  await got.writer?.writeAt(0, new Uint8Array(100))
}
