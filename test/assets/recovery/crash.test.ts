import assert from 'node:assert/strict'
import { randomBytes as secret } from 'node:crypto'
import { appendFileSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { AssetStore, aes128Cbc, ResourceKey } from '@cistern/assets'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes, sha256 } from '../../helpers/bytes.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { CIPHER, cipherOf, crashAt, PLAIN, showsSyscalls } from './crash-at.js'
import { assertHolds, startStore, tell } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')
const LENGTH = 1_000_000
const HALF = 450_000

async function goOn(store: AssetStore): Promise<{ start: number; end: number }[]> {
  const { reader, writer } = await store.acquire(key, { length: LENGTH })
  assert.ok(writer)
  const gaps = [...writer.coverage.gaps(0, LENGTH)]
  const whole = randomBytes(1, LENGTH)
  for (const { start, end } of gaps) await writer.writeAt(start, whole.subarray(start, end))
  await writer.commit()
  assert.equal(sha256(await reader.bytes()), sha256(whole))
  reader.close()
  return gaps
}

test('[core 53] killed with 45 %, only what was not recorded is asked for: whole blocks are there', async (t) => {
  const root = tempFolder(t)
  await using child = await startStore(root)
  await tell(child, 'write', key.id, 1, LENGTH, HALF)
  // Whole blocks go with the next flush; something durable behind it tells when that was.
  await tell(child, 'put', 'film/other.ts', 2, 10)
  await tell(child, 'pin', 'film')
  await tell(child, 'checkpoint')
  await tell(child, 'write', 'film/late.ts', 3, LENGTH, 100)
  await child.kill()
  await using store = await AssetStore.open({ root })
  const received = store.stat(key)?.received
  assert.equal(received?.has(0, BLOCK_BYTES), true)
  assert.ok((received?.size ?? 0) <= HALF)
  const [gap, ...others] = await goOn(store)
  assert.deepEqual([gap, others], [{ start: received?.coveredEnd(0), end: LENGTH }, []])
})

test('[core 53] released or closed, only what is missing is asked for, to the byte', async (t) => {
  for (const ending of ['release', 'close'] as const) {
    const root = tempFolder(t)
    await using child = await startStore(root)
    await tell(child, 'write', key.id, 1, LENGTH, HALF)
    if (ending === 'release') {
      await tell(child, 'release', key.id)
      await tell(child, 'checkpoint')
      await child.kill()
    } else {
      child.send(['close'])
      await child.exited
    }
    await using store = await AssetStore.open({ root })
    assert.deepEqual(await goOn(store), [{ start: HALF, end: LENGTH }])
  }
})

test('[core 48] a torn tail, then a run that commits, then a third: nothing of the second is lost', async (t) => {
  const root = tempFolder(t)
  {
    await using child = await startStore(root)
    await tell(child, 'put', 'film/first.ts', 1, 300_000)
    await tell(child, 'checkpoint')
    await child.kill()
  }
  for (let run = 0; run < 3; run++) {
    const index = join(root, '_index')
    const journals = readdirSync(index).filter((name) => name.startsWith('journal-'))
    const newest = journals.sort((a, b) => Number(a.replace(/\D/g, '')) - Number(b.replace(/\D/g, ''))).pop() ?? ''
    appendFileSync(join(index, newest), Buffer.concat([Buffer.from([0xc1, 0x9e, 0x46, 0x72, 0, 0, 0]), secret(50)]))
    await using child = await startStore(root)
    await tell(child, 'put', `film/run-${run}.ts`, 10 + run, 300_000)
    await tell(child, 'checkpoint')
    await child.kill()
  }
  await using store = await AssetStore.open({ root })
  assert.deepEqual([store.recovery.suspect, store.recovery.droppedRecords], [false, 0])
  await assertHolds(store, 'film/first.ts', 1, 300_000)
  for (let run = 0; run < 3; run++) await assertHolds(store, `film/run-${run}.ts`, 10 + run, 300_000)
})

const needsStrace = showsSyscalls ? {} : { skip: 'strace is not here: crashes at each system call were NOT tested' }

for (const how of ['plain', 'processed'] as const) {
  test(
    `[core 44] killed at every stage of a ${how} commit: to be gone on with, or complete`,
    needsStrace,
    async (t) => {
      const seen = new Set<string>()
      for (const call of ['pwrite64', 'fdatasync', 'fsync', 'rename', 'unlink', 'ftruncate']) {
        for (let when = 1; when <= 6; when++) {
          const root = tempFolder(t)
          const isKilled = await crashAt(root, how, call, when)
          await using store = await AssetStore.open({ root })
          const stat = store.stat(key)
          const wanted = how === 'plain' ? randomBytes(1, LENGTH) : PLAIN
          if (stat?.state === 'committed') {
            assert.equal(sha256((await store.get(key)) ?? new Uint8Array()), sha256(wanted), `${call} ${when}`)
            seen.add('committed')
          } else {
            seen.add(stat ? 'active' : 'nothing')
            const processor = how === 'processed' ? aes128Cbc(CIPHER) : undefined
            const source = how === 'processed' ? cipherOf() : wanted
            const { reader, writer } = await store.acquire(key, { processor })
            assert.ok(writer, `${call} ${when}`)
            for (const { start, end } of writer.coverage.gaps(0, source.length))
              await writer.writeAt(start, source.subarray(start, end))
            await writer.commit(source.length)
            assert.equal(sha256(await reader.bytes()), sha256(wanted), `${call} ${when}`)
            reader.close()
          }
          assert.equal(store.recovery.suspect, false)
          await store.checkpoint()
          assert.deepEqual(
            (existsSync(join(root, 'film')) ? readdirSync(join(root, 'film')) : []).filter((name) =>
              name.endsWith('.part'),
            ),
            [],
            `${call} ${when}`,
          )
          const report = await store.verify()
          assert.deepEqual([report.badBlocks, report.missing, report.orphans], [0, 0, 0], `${call} ${when}`)
          if (!isKilled) break
        }
      }
      assert.ok(seen.has('committed') && seen.size > 1, [...seen].join())
    },
  )
}
