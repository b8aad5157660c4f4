import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { encodeFrames, FRAME_OVERHEAD, type Frame } from '#assets/index/frame.js'
import { encodeHeader } from '#assets/index/header.js'
import { Journal, journalName, listJournals, readJournal, syncDirectory, syncFile } from '#assets/index/journal.js'
import { headerOf, hex, otherStoreId, payloadsOf, storeId, temporaryDir } from './fixtures.js'

const record = (sequence: number, text = `record ${sequence}`): Frame => ({ sequence, payload: Buffer.from(text) })
const shown = (frames: readonly Frame[]) => frames.map(({ sequence, payload }) => `${sequence}:${hex(payload)}`)

/** Fails a call of node:fs, as a full or a broken disk would. `when` counts the calls from 1. */
function failing(t: TestContext, name: 'write' | 'fdatasync' | 'fsync', code: string, when = 1): { calls: number } {
  const seen = { calls: 0 }
  const original = fs[name] as (...parts: unknown[]) => void
  t.mock.method(fs, name, (...parts: unknown[]) => {
    seen.calls++
    if (seen.calls !== when) return original(...parts)
    const done = parts.at(-1) as (error: Error) => void
    return process.nextTick(done, Object.assign(new Error(`${code}: made to fail`), { code }))
  })
  return seen
}

/** The file of a journal that was written and closed. */
async function written(dir: string, records: readonly Frame[], number = 1): Promise<string> {
  const journal = await Journal.create(dir, headerOf('journal', number), { sync: false })
  await journal.append(records)
  await journal.close()
  return journal.path
}

describe('a journal', () => {
  it('gives back what was appended, with its header', async (t) => {
    const dir = await temporaryDir(t)
    const header = headerOf('journal', 8, { sequence: 5, predecessor: { number: 7, sequence: 5 } })
    const journal = await Journal.create(dir, header, { sync: true })
    assert.deepEqual([journal.appended, journal.synced], [5, 5])
    await journal.append([record(6), record(7)])
    await journal.append([record(9)])
    assert.deepEqual([journal.appended, journal.synced], [9, 5])
    await journal.sync()
    assert.equal(journal.synced, 9)
    await journal.close()

    const content = await readJournal(join(dir, 'journal-8.log'), storeId)
    assert.deepEqual(content.header, header)
    assert.deepEqual(shown(content.frames), shown([record(6), record(7), record(9)]))
    assert.equal(content.damage, 'none')
    assert.equal(content.bytes, journal.size)
    assert.equal((await stat(journal.path)).mode & 0o777, 0o600)
  })

  it('is on the medium, header and directory entry, before it is there to append to', async (t) => {
    const dir = await temporaryDir(t)
    const steps: string[] = []
    for (const name of ['write', 'fdatasync', 'fsync'] as const) {
      const original = fs[name] as (...parts: unknown[]) => void
      t.mock.method(fs, name, (...parts: unknown[]) => {
        steps.push(name)
        return original(...parts)
      })
    }
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: true })
    assert.deepEqual(steps, ['write', 'fdatasync', 'fsync'])
    await journal.close()
    steps.length = 0
    const relaxed = await Journal.create(dir, headerOf('journal', 2), { sync: false })
    await relaxed.append([record(1)])
    await relaxed.sync()
    await relaxed.close()
    assert.deepEqual(steps, ['write', 'write'])
  })

  it('appends records of one call in one write', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: false })
    const seen = failing(t, 'write', 'none', 0)
    await journal.append(Array.from({ length: 1000 }, (_, i) => record(i + 1)))
    assert.equal(seen.calls, 1)
    await journal.close()
    assert.equal((await readJournal(journal.path, storeId)).frames.length, 1000)
  })

  it('takes more than one write of records, and reads more than one slice', async (t) => {
    const dir = await temporaryDir(t)
    const payloads = [...payloadsOf(30, 200_000)]
    const records = payloads.map((payload, i) => ({ sequence: i + 1, payload }))
    const content = await readJournal(await written(dir, records), storeId)
    assert.equal(content.damage, 'none')
    assert.deepEqual(
      content.frames.map(({ sequence }) => sequence),
      records.map(({ sequence }) => sequence),
    )
    for (const [i, { payload }] of content.frames.entries())
      assert.ok(Buffer.from(payload).equals(payloads[i] ?? Buffer.alloc(0)))
  })

  it('never takes over a file that is there, nor follows a symlink', async (t) => {
    const dir = await temporaryDir(t)
    await writeFile(join(dir, 'journal-1.log'), 'mine')
    await symlink(join(dir, 'elsewhere'), join(dir, 'journal-2.log'))
    for (const number of [1, 2]) {
      await assert.rejects(Journal.create(dir, headerOf('journal', number), { sync: true }), {
        code: 'ERR_CISTERN_STORAGE_IO',
      })
    }
    assert.equal(await readFile(join(dir, 'journal-1.log'), 'utf8'), 'mine')
    assert.equal(fs.existsSync(join(dir, 'elsewhere')), false)
  })

  it('that cannot be created leaves no file [core 51]', async (t) => {
    const dir = await temporaryDir(t)
    for (const [call, code] of [
      ['write', 'ENOSPC'],
      ['fdatasync', 'EIO'],
      ['fsync', 'EIO'],
    ] as const) {
      failing(t, call, code)
      await assert.rejects(Journal.create(dir, headerOf('journal', 1), { sync: true }), /made to fail|1/)
      t.mock.restoreAll()
      assert.deepEqual(await listJournals(dir), [], call)
    }
  })

  it('goes on after a short write', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: false })
    const original = fs.write as (...parts: unknown[]) => void
    t.mock.method(
      fs,
      'write',
      (fd: number, bytes: Uint8Array, offset: number, length: number, position: number, done: unknown) =>
        original(fd, bytes, offset, Math.min(length, 7), position, done),
    )
    await journal.append([record(1), record(2)])
    t.mock.restoreAll()
    await journal.close()
    const content = await readJournal(journal.path, storeId)
    assert.deepEqual(shown(content.frames), shown([record(1), record(2)]))
    assert.equal(content.damage, 'none')
  })

  it('is closed for ever by a failed append [core 51]', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: true })
    await journal.append([record(1)])
    await journal.sync()
    const seen = failing(t, 'write', 'ENOSPC')
    await assert.rejects(journal.append([record(2)]), { code: 'ERR_CISTERN_NO_SPACE' })
    const calls = seen.calls
    await assert.rejects(journal.append([record(3)]), { code: 'ERR_CISTERN_NO_SPACE' })
    await assert.rejects(journal.sync(), { code: 'ERR_CISTERN_NO_SPACE' })
    assert.equal(seen.calls, calls)
    assert.equal((journal.failed as { code?: string } | undefined)?.code, 'ERR_CISTERN_NO_SPACE')
    assert.deepEqual([journal.appended, journal.synced], [1, 1])
    await journal.close()
    assert.deepEqual(shown((await readJournal(journal.path, storeId)).frames), shown([record(1)]))
  })

  it('that failed half-way through a write never has another frame after the half one', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: false })
    const original = fs.write as (...parts: unknown[]) => void
    let calls = 0
    t.mock.method(fs, 'write', (...parts: unknown[]) => {
      const [fd, bytes, offset, length, position, done] = parts
      if (++calls === 1) return original(fd, bytes, offset, Math.floor(Number(length) / 2), position, done)
      return process.nextTick(done as (error: Error) => void, Object.assign(new Error('full'), { code: 'ENOSPC' }))
    })
    const outcomes = await Promise.allSettled([
      journal.append([record(1)]),
      journal.append([record(2)]),
      journal.sync(),
    ])
    t.mock.restoreAll()
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    )
    const content = await readJournal(journal.path, storeId)
    assert.deepEqual([content.frames, content.damage], [[], 'tail'])
  })

  it('is closed for ever by a failed sync, which is never retried into a success [core 51]', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: true })
    await journal.append([record(1)])
    const seen = failing(t, 'fdatasync', 'EIO')
    await assert.rejects(journal.sync(), { code: 'ERR_CISTERN_STORAGE_IO' })
    await assert.rejects(journal.sync(), { code: 'ERR_CISTERN_STORAGE_IO' })
    await assert.rejects(journal.append([record(2)]), { code: 'ERR_CISTERN_STORAGE_IO' })
    assert.equal(seen.calls, 1)
    assert.equal(journal.synced, 0)
    await journal.close()
  })

  it('shares one fdatasync among those who ask at once, and covers what each had appended', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: true })
    const seen = failing(t, 'fdatasync', 'none', 0)
    await journal.append([record(1)])
    await Promise.all([journal.sync(), journal.sync(), journal.sync()])
    assert.equal(seen.calls, 1)
    await journal.sync()
    assert.equal(seen.calls, 1, 'nothing was appended since')

    const before = journal.append([record(2)]).then(() => journal.sync())
    const [, late] = [journal.sync(), journal.append([record(3)]).then(() => journal.synced)]
    await before
    assert.ok((await late) < 3, 'a sync that began before does not count for a later record')
    await journal.sync()
    assert.equal(journal.synced, 3)
    await journal.close()
  })

  it('takes a sync that is asked for behind an append that nobody awaited', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1), { sync: true })
    const appended = journal.append([record(1)])
    await journal.sync()
    assert.equal(journal.synced, 1)
    await appended
    await journal.close()
  })

  it('refuses what would be the mistake of its caller, and stays open', async (t) => {
    const dir = await temporaryDir(t)
    const journal = await Journal.create(dir, headerOf('journal', 1, { sequence: 4 }), { sync: false })
    await assert.rejects(journal.append([record(4)]), RangeError)
    await assert.rejects(journal.append([record(6), record(6)]), RangeError)
    await assert.rejects(journal.append([{ sequence: 5, payload: new Uint8Array(256 * 1024 + 1) }]), RangeError)
    await journal.append([record(5)])
    await journal.append([])
    assert.equal(journal.failed, undefined)
    await journal.close()
    await journal.close()
    await assert.rejects(journal.append([record(6)]), { code: 'ERR_CISTERN_STORAGE_IO' })
    assert.equal((await readJournal(journal.path, storeId)).frames.length, 1)
  })
})

describe('reading a journal', () => {
  it('cut at any length loses only the cut record [core 49]', async (t) => {
    const dir = await temporaryDir(t)
    const records = [record(1, 'a'), record(2, ''), record(3, 'three')]
    const bytes = await readFile(await written(dir, records))
    const start = encodeHeader(headerOf('journal', 1)).length
    const path = join(dir, journalName(1))
    for (let length = 0; length <= bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length))
      const content = await readJournal(path, storeId)
      const left = records.filter(
        (_, i) => start + encodeFrames({ storeId, number: 1 }, records.slice(0, i + 1)).length <= length,
      )
      const last = start + encodeFrames({ storeId, number: 1 }, left).length
      assert.deepEqual(shown(content.frames), shown(left), `cut at ${length}`)
      assert.equal(content.damage, length < start ? 'header' : last === length ? 'none' : 'tail', `cut at ${length}`)
    }
  })

  it('with any byte flipped loses at most the record it is in; with the header damaged, none [core 49]', async (t) => {
    const dir = await temporaryDir(t)
    const records = [record(1, 'a'), record(2, ''), record(3, 'three')]
    const bytes = await readFile(await written(dir, records))
    const start = encodeHeader(headerOf('journal', 1)).length
    const path = join(dir, journalName(1))
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ 0x41
      await writeFile(path, flipped)
      const content = await readJournal(path, storeId)
      let end = start
      const left = records.filter(({ payload }) => {
        const begin = end
        end += FRAME_OVERHEAD + payload.length
        return at < begin || at >= end
      })
      assert.deepEqual(shown(content.frames), shown(left), `byte ${at}`)
      assert.equal(content.header === undefined, at < start)
      assert.notEqual(content.damage, 'none')
      if (at < start) assert.deepEqual((await readJournal(path, undefined)).frames, [])
    }
  })

  it('takes no record of another store, nor of a file that was renamed', async (t) => {
    const dir = await temporaryDir(t)
    const path = await written(dir, [record(1)], 1)
    const foreign = await readJournal(path, otherStoreId)
    assert.deepEqual([foreign.header, foreign.frames, foreign.damage], [undefined, [], 'header'])
    await writeFile(join(dir, journalName(2)), await readFile(path))
    const renamed = await readJournal(join(dir, journalName(2)), storeId)
    assert.deepEqual([renamed.header, renamed.frames, renamed.damage], [undefined, [], 'header'])
  })

  it('needs no store id when the header is good', async (t) => {
    const path = await written(await temporaryDir(t), [record(1)])
    assert.equal((await readJournal(path, undefined)).frames.length, 1)
  })

  it('takes symlinks, directories and garbage for damage, and a missing file for an error', async (t) => {
    const dir = await temporaryDir(t)
    await symlink(await written(dir, [record(1)], 1), join(dir, journalName(2)))
    await mkdir(join(dir, journalName(3)))
    await writeFile(join(dir, journalName(4)), Buffer.alloc(5000, 0xc1))
    await writeFile(join(dir, journalName(5)), '')
    for (const number of [2, 3, 4, 5]) {
      const content = await readJournal(join(dir, journalName(number)), storeId)
      assert.deepEqual([content.header, content.frames, content.damage], [undefined, [], 'header'], journalName(number))
    }
    await assert.rejects(readJournal(join(dir, journalName(6)), storeId), { code: 'ERR_CISTERN_STORAGE_IO' })
  })

  it('refuses another version by name [core 54]', async (t) => {
    const dir = await temporaryDir(t)
    const path = join(dir, journalName(1))
    await writeFile(path, encodeHeader(headerOf('journal', 1), { version: 2 }))
    await assert.rejects(readJournal(path, storeId), {
      code: 'ERR_CISTERN_INDEX_VERSION',
      message: /journal-1\.log.*version 2/,
    })
  })
})

describe('the files of an index', () => {
  it('are listed by number, without what only looks like a journal', async (t) => {
    const dir = await temporaryDir(t)
    for (const name of [
      'journal-10.log',
      'journal-9.log',
      'journal-0.log',
      'journal-01.log',
      'journal-1.log.tmp',
      'journal--1.log',
      'x',
    ])
      await writeFile(join(dir, name), '')
    assert.deepEqual(await listJournals(dir), [0, 9, 10])
    await assert.rejects(listJournals(join(dir, 'nowhere')), { code: 'ERR_CISTERN_STORAGE_IO' })
  })

  it('are synced by path; a directory that cannot be is left as it is', async (t) => {
    const dir = await temporaryDir(t)
    const path = await written(dir, [record(1)])
    await syncFile(path)
    await syncDirectory(dir)
    await syncFile(dir)
    await symlink(join(dir, 'nowhere'), join(dir, 'link'))
    await syncFile(join(dir, 'link'))
    await assert.rejects(syncFile(join(dir, 'nowhere')), { code: 'ERR_CISTERN_STORAGE_IO' })
    failing(t, 'fsync', 'EINVAL')
    await syncDirectory(dir)
    t.mock.restoreAll()
    failing(t, 'fsync', 'EIO')
    await assert.rejects(syncDirectory(dir), { code: 'ERR_CISTERN_STORAGE_IO' })
    t.mock.restoreAll()
    failing(t, 'fdatasync', 'EIO')
    await assert.rejects(syncFile(path), { code: 'ERR_CISTERN_STORAGE_IO' })
  })
})
