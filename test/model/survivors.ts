import assert from 'node:assert/strict'
import { type AssetStore, CisternError, type Durability, type ResourceStat } from '@cistern/assets'
import { difference } from './content.js'
import type { Generation, Model } from './model.js'
import { ASSETS, KEYS, keyOf } from './operations.js'

/**
 * What a store may hold that is opened over the files of another one as it stood: nothing that was not written, and of
 * what was committed since the last checkpoint as much as the durability says.
 */
export class Survivors {
  readonly #durability: Durability
  /** Every generation that there ever was, by what the store calls it. */
  readonly #lives = new Map<string, Generation>()
  /** States that each key, and each pin, went through since none of them can be lost any more; the present one last. */
  readonly #committed = new Map<string, (Generation | undefined)[]>()
  readonly #pinned = new Map<string, boolean[]>()

  constructor(durability: Durability) {
    this.#durability = durability
  }

  /** After each step. `settled`: all that is there is durable now. */
  note(model: Model, settled: boolean): void {
    for (const key of KEYS) {
      for (const life of model.generations(key)) if (life.id !== '') this.#lives.set(life.id, life)
      follow(this.#committed, key, model.slots(key).committed, settled || this.#durability === 'strict')
    }
    for (const asset of ASSETS)
      follow(this.#pinned, asset, model.pins.has(asset), settled || this.#durability === 'strict')
  }

  /** `exact`: nothing happened since the last checkpoint. */
  async check(store: AssetStore, model: Model, exact: boolean): Promise<void> {
    const { suspect, droppedRecords } = store.recovery
    assert.deepEqual({ suspect, droppedRecords }, { suspect: false, droppedRecords: 0 }, 'recovery')
    for (const key of KEYS) await this.#checkKey(store, model, key, exact)
    for (const asset of ASSETS) {
      const stat = store.assetStat(asset)
      if (stat) assert.ok(this.#pinned.get(asset)?.includes(stat.pinned), `${asset} pinned: ${stat.pinned}`)
      else if (this.#durability !== 'relaxed') assert.ok(this.#pinned.get(asset)?.includes(false), `${asset}: its pin`)
    }
    const { badBlocks, missing } = await store.verify()
    assert.deepEqual({ badBlocks, missing }, { badBlocks: 0, missing: 0 }, 'verify')
  }

  async #checkKey(store: AssetStore, model: Model, key: string, exact: boolean): Promise<void> {
    const stat = store.stat(keyOf(key))
    const committed = stat?.state === 'committed' ? stat.generation : undefined
    const allowed = (this.#committed.get(key) ?? []).map((life) => life?.id)
    assert.ok(allowed.includes(committed), `${key}: committed is ${committed}, not one of ${allowed.map(String)}`)
    if (exact) assert.equal(stat?.generation, model.visible(key)?.id, `${key}: generation after a checkpoint`)
    if (!stat) return
    const life = this.#lives.get(stat.generation)
    assert.equal(life?.key, key, `${key}: generation ${stat.generation} never was`)
    if (this.#durability === 'strict') {
      assert.ok(!life.removed, `${key}: ${stat.generation} was removed`)
      if (committed) assert.deepEqual(stat.metadata, life.metadata, `${key}: metadata`)
    }
    if (exact) assert.deepEqual(stat.coverage.toFlat(), life.coverage, `${key}: coverage after a checkpoint`)
    if (committed) assert.equal(stat.length, life.length, `${key}: length`)
    await readAll(store, life, stat)
  }
}

/** Every byte that is served, one for one. */
async function readAll(store: AssetStore, life: Generation, stat: ResourceStat): Promise<void> {
  if (stat.coverage.size === 0 && stat.state === 'active') return // its file is perhaps not there yet
  try {
    using reader = await store.open(keyOf(life.key))
    for (const { start, end } of [...reader.coverage]) {
      assert.ok(life.has(start, end), `${life.key}: ${start}-${end} was never all there`)
      const wrong = difference(life.bytes.subarray(start, end), start, await reader.bytes({ start, end }))
      assert.equal(wrong, undefined, life.key)
    }
    assert.deepEqual(reader.coverage.toFlat(), stat.coverage.toFlat(), `${life.key}: coverage once it was read`)
  } catch (error) {
    if (!CisternError.is(error)) throw error
    assert.fail(`${life.key} (${stat.state}, ${stat.coverage.toFlat()}) cannot be read: ${error.stack}`)
  }
}

function follow<T>(states: Map<string, T[]>, name: string, state: T, settled: boolean): void {
  const before = states.get(name)
  if (before === undefined || settled) states.set(name, [state])
  else if (before.at(-1) !== state) before.push(state)
}
