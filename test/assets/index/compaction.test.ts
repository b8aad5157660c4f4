import assert from 'node:assert/strict'
import { copyFile, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { compact } from '#assets/index/compaction.js'
import { IndexState } from '#assets/index/index-state.js'
import { journalName, listJournals } from '#assets/index/journal.js'
import { JournalLog } from '#assets/index/log.js'
import type { IndexRecord, RecordFile } from '#assets/index/record.js'
import { recover } from '#assets/index/recovery.js'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'
import { storeId, temporaryDir } from './fixtures.js'
import { RecordsOfALife, storedIn, told } from './records-of-a-life.js'

const session = 'session'

/** A state and its journals, without a store around them. */
class Ground {
  readonly state = new IndexState()
  readonly counted = new Map<RecordFile, number>()
  readonly log: HeldLog
  readonly dir: string

  constructor(dir: string) {
    this.dir = dir
    this.log = new HeldLog({
      dir,
      storeId,
      session,
      relaxed: true,
      predecessor: { number: 0, sequence: 0 },
      firstNumber: 1,
      check: () => undefined,
      riders: () => [],
      onFailure: () => undefined,
      onRestored: () => undefined,
      onAppended: () => undefined,
    })
  }

  record(records: readonly IndexRecord[]): void {
    for (const record of records) {
      this.state.apply(record, this.log.pushed + 1)
      this.log.push(record)
    }
  }

  compact(check = (): void => undefined): Promise<number> {
    const { dir, state, log, counted } = this
    return compact({ dir, storeId, session, relaxed: true, state, log, counted, check })
  }
}

/** A log that can be made to keep those who wait for it waiting. */
class HeldLog extends JournalLog {
  readonly #asked = deferred()
  readonly #released = deferred()
  #held: 'appended' | 'durable' | undefined

  /** Resolves once somebody waits. */
  hold(what: 'appended' | 'durable'): Promise<void> {
    this.#held = what
    return this.#asked.promise
  }

  letGo(): void {
    this.#held = undefined
    this.#released.resolve()
  }

  override appended(sequence: number): Promise<void> {
    return this.#when('appended', () => super.appended(sequence))
  }

  override durable(sequence: number): Promise<void> {
    return this.#when('durable', () => super.durable(sequence))
  }

  async #when(what: 'appended' | 'durable', then: () => Promise<void>): Promise<void> {
    if (this.#held === what) {
      this.#asked.resolve()
      await this.#released.promise
    }
    await then()
  }
}

async function ground(t: TestContext): Promise<Ground> {
  return new Ground(await temporaryDir(t))
}

describe('compaction', () => {
  for (let seed = 1; seed <= 12; seed++) {
    it(`[core 49] a snapshot taken while records come, and the records after it, give what all records give (seed ${seed})`, async (t) => {
      const place = await ground(t)
      const life = new RecordsOfALife(seed, { assets: seed % 3 === 0 ? 1 : 6, paths: seed % 2 === 0 ? 12 : 300 })
      for (let i = 0; i < 400; i++) place.record(life.next())
      for (let round = 0; round < 3; round++) {
        let isRunning = true
        const compacting = place.compact().finally(() => {
          isRunning = false
        })
        while (isRunning) {
          for (let i = 0; i < 5; i++) place.record(life.next())
          if (place.log.pushed % 2 === 0) await place.log.appended(place.log.pushed)
          else await eventLoopTurn()
        }
        await compacting
        for (let i = 0; i < 50; i++) place.record(life.next())
        await place.log.appended(place.log.pushed)
        const found = await recover(place.dir, session)
        assert.equal(found.suspect, false)
        assert.deepEqual(told(found.state), told(place.state))
        assert.equal(found.state.totalBytes, storedIn(place.state))
        // One unreadable file loses nothing: its predecessor and the journals since are there.
        if (round === 2) {
          await writeFile(join(place.dir, 'cov.bin'), 'garbage')
          const again = await recover(place.dir, session)
          assert.equal(again.suspect, false)
          assert.deepEqual(told(again.state), told(place.state))
        }
      }
      await place.log.close()
    })
  }

  for (const [what, file] of [
    ['appended', 'cov.bin'],
    ['durable', 'pins.bin'],
  ] as const) {
    it(`[core 49] no snapshot reflects what a crash would take: it waits until all that it holds is ${what}`, async (t) => {
      const place = await ground(t)
      const life = new RecordsOfALife(8)
      for (let i = 0; i < 50; i++) place.record(life.next())
      const asked = place.log.hold(what)
      // It looks whether the root is still its own all along: each time, records have come that are in memory only.
      const compacting = place.compact(() => place.record(life.next()))
      const done = compacting.then(() => 'done' as const)
      assert.notEqual(await Promise.race([asked, done]), 'done')
      assert.ok(!(await readdir(place.dir)).includes(file))
      place.log.letGo()
      await compacting
      await place.log.appended(place.log.pushed)
      assert.deepEqual(told((await recover(place.dir, session)).state), told(place.state))
      await place.log.close()
    })
  }

  it('[core 49] journals that end before what a snapshot reflects are damage, and nobody goes on from their end', async (t) => {
    const place = await ground(t)
    const begun = (path: string): IndexRecord => {
      const nothing = { length: undefined, validator: undefined, processor: undefined, metadata: undefined }
      const active = {
        generation: `${session}-${path}`,
        name: path,
        writer: session,
        unsynced: true,
        fingerprint: undefined,
      }
      return { type: 'entry', asset: 'film', path, committed: undefined, active: { ...active, ...nothing } }
    }
    place.record([begun('1')])
    const asked = place.log.hold('appended')
    const compacting = place.compact()
    await asked
    const [last = 0] = (await listJournals(place.dir)).slice(-1)
    const path = join(place.dir, journalName(last))
    const { size } = await stat(path)
    place.record([begun('2'), { type: 'pin', asset: 'other', pinned: true }])
    place.log.letGo()
    await compacting
    await place.log.close()
    await truncate(path, size) // as a power cut may leave it where nothing is synced

    const { state, suspect, tip } = await recover(place.dir, session)
    assert.equal(suspect, true)
    assert.equal(tip.sequence, 3)
    assert.ok(state.entry('film', '2'), 'the snapshot has it')
    state.apply(begun('3'), tip.sequence + 1)
    assert.ok(state.entry('film', '3'), 'a new record counts')
  })

  it('keeps the journals that the snapshot before the present one needs, and no others', async (t) => {
    const place = await ground(t)
    const life = new RecordsOfALife(5)
    const numbers: number[][] = []
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 20; i++) place.record(life.next())
      await place.compact()
      numbers.push(await listJournals(place.dir))
    }
    // The closed one is the predecessors'; what the present snapshots need has begun, and is empty.
    assert.deepEqual(
      numbers,
      [1, 2, 3, 4].map((number) => [number, number + 1]),
    )
    assert.deepEqual((await readdir(place.dir)).filter((name) => name.endsWith('.prev.bin')).length, 3)
    await place.log.close()
  })

  it('is not taken for the present one when it got its name late, from an owner who had lost the root [core 55]', async (t) => {
    const place = await ground(t)
    const life = new RecordsOfALife(8)
    const late = join(place.dir, 'late')
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 20; i++) place.record(life.next())
      await place.compact()
      if (round === 0) await copyFile(join(place.dir, 'cov.bin'), late)
    }
    await place.log.close()
    await rename(late, join(place.dir, 'cov.bin')) // the journals between it and the one before the present one are gone
    const recovered = await recover(place.dir, session)
    assert.equal(recovered.suspect, false)
    assert.deepEqual(told(recovered.state), told(place.state))
    assert.deepEqual([...recovered.snapshots.keys()].sort(), ['lru', 'pins'], 'it does not count')
  })

  it('deletes no journal while a kind has no snapshot that counts', async (t) => {
    const place = await ground(t)
    const life = new RecordsOfALife(6)
    for (let i = 0; i < 20; i++) place.record(life.next())
    await place.compact()
    place.counted.delete('lru')
    for (let i = 0; i < 20; i++) place.record(life.next())
    await place.compact()
    assert.deepEqual(await listJournals(place.dir), [1, 2, 3])
    await place.log.close()
  })

  it('is made while records never stop coming', async (t) => {
    const place = await ground(t)
    const life = new RecordsOfALife(7)
    for (let i = 0; i < 20; i++) place.record(life.next())
    let isRunning = true
    const busy = (async () => {
      while (isRunning) {
        place.record(life.next())
        await place.log.durable(place.log.pushed)
      }
    })()
    // A second stream, so that somebody waits at every moment.
    const busier = (async () => {
      while (isRunning) {
        place.record(life.next())
        await place.log.appended(place.log.pushed)
      }
    })()
    await place.compact()
    isRunning = false
    await Promise.all([busy, busier])
    await place.log.close()
  })

  it('spells out resources whose checksums fill frames of their own, beside small ones', async (t) => {
    const place = await ground(t)
    const blocks = 40_000
    for (let i = 0; i < 200; i++) {
      const path = `s${String(i).padStart(3, '0')}.ts`
      const generation = `session-${(i + 1).toString(36)}`
      const length = i % 50 === 25 ? blocks * BLOCK_BYTES : 0
      const crcs = new Uint8Array(length === 0 ? 0 : blocks * 4).fill(i)
      place.record([
        { type: 'stray', stray: { asset: 'film', path, name: path, generation, published: false } },
        { type: 'blocks', asset: 'film', path, generation, part: 'source', runs: [0, crcs], fragments: [] },
        {
          type: 'entry',
          asset: 'film',
          path,
          active: undefined,
          committed: {
            generation,
            name: path,
            length,
            committedAt: 1,
            fingerprint: 'seen',
            processor: undefined,
            validator: undefined,
            metadata: undefined,
            unsynced: false,
          },
        },
      ])
    }
    await place.compact()
    for (const number of await listJournals(place.dir)) await rm(join(place.dir, `journal-${number}.log`))
    const found = await recover(place.dir, session)
    assert.equal(found.suspect, false)
    assert.deepEqual(told(found.state), told(place.state))
    assert.equal(found.state.resourceCount, 200)
    assert.equal(found.state.totalBytes, 4 * blocks * BLOCK_BYTES)
    await place.log.close()
  })
})
