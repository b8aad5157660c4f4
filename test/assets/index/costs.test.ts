// What the index does not cost: memory for what nobody looked at, and time for everybody who waits.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { compact } from '#assets/index/compaction.js'
import { JournalLog } from '#assets/index/log.js'
import type { IndexRecord } from '#assets/index/record.js'
import { recover } from '#assets/index/recovery.js'
import { assetName, resourcePath, writeBigIndex } from '../../helpers/big-index.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { storeId, temporaryDir } from './fixtures.js'
import { told } from './records-of-a-life.js'

const session = 'session'
const quiet = {
  session,
  relaxed: true,
  check: () => undefined,
  riders: () => [],
  onFailure: () => undefined,
  onRestored: () => undefined,
  onAppended: () => undefined,
}

describe('the index', () => {
  it('is compacted without keeping decoded what nobody looked at, names of their own or not', async (t) => {
    const root = tempFolder(t)
    await writeBigIndex(root, { assets: 1, resourcesPerAsset: 2000 })
    const dir = join(root, '_index')
    const found = await recover(dir, 'big')
    const { state, tip, nextNumber } = found
    const log = new JournalLog({ ...quiet, dir, storeId: found.storeId, predecessor: tip, firstNumber: nextNumber })
    const [asset, path] = [assetName(0), resourcePath(0)]
    const committed = state.entry(asset, path)?.committed
    assert.ok(committed)
    const renamed: IndexRecord = {
      type: 'entry',
      asset,
      path,
      committed: { ...committed, name: `${path}~1` },
      active: undefined,
    }
    state.apply(renamed, log.pushed + 1)
    log.push(renamed)
    const decoded = () => state.rows.get(asset)?.leaves.filter((leaf) => leaf.isDecoded).length
    assert.equal(decoded(), 1)
    const counted = new Map(found.snapshots)
    await compact({ ...quiet, dir, storeId: found.storeId, state, log, counted })
    assert.ok((decoded() ?? 0) <= 1)
    await log.close()
    const again = await recover(dir, session)
    assert.deepEqual([again.suspect, again.state.entry(asset, path)?.committed?.name], [false, `${path}~1`])
    assert.deepEqual(told(again.state), told(state))
  })

  it('tells 20,000 who wait for one batch without looking each of them up among the others', async (t) => {
    const dir = await temporaryDir(t)
    const log = new JournalLog({ ...quiet, dir, storeId, predecessor: { number: 0, sequence: 0 }, firstNumber: 1 })
    const waiters = 20_000
    let lookedThrough = 0
    const restores = (['includes', 'indexOf', 'findIndex', 'splice'] as const).map((name) => {
      const original = Array.prototype[name] as (...given: unknown[]) => unknown
      const counting = function (this: unknown[], ...given: unknown[]): unknown {
        lookedThrough += this.length
        return original.apply(this, given)
      }
      return replaced(name, counting)
    })
    try {
      await Promise.all(
        Array.from({ length: waiters }, (_, n) => log.durable(log.push({ type: 'pin', asset: `p${n}`, pinned: true }))),
      )
    } finally {
      for (const restore of restores) restore()
    }
    await log.close()
    assert.ok(lookedThrough < 100 * waiters, `${lookedThrough} were looked through`)
  })
})

/** The mocks of the test runner do not take arrays. */
function replaced(name: string, by: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(Array.prototype, name)
  Object.defineProperty(Array.prototype, name, { ...before, value: by })
  return () => Object.defineProperty(Array.prototype, name, before ?? {})
}
