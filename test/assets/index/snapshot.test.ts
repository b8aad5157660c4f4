import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { FRAME_OVERHEAD, MAX_PAYLOAD } from '#assets/index/frame.js'
import { encodeHeader } from '#assets/index/header.js'
import { readSnapshot, removeStrays, writeSnapshot } from '#assets/index/snapshot.js'
import fc from '../../helpers/fast-check.js'
import { headerOf, hex, otherStoreId, payloadsOf, storeId, temporaryDir } from './fixtures.js'

const header = headerOf('cov', 4, { sequence: 17 })
const texts = (...values: string[]): Uint8Array[] => values.map((value) => Buffer.from(value))
const shown = (payloads: readonly Uint8Array[]) => payloads.map(hex)
const LARGE = { count: 60, bytes: 150_000 } // 9 MB

/** Notes the calls of node:fs in their order. */
function noting(t: TestContext, ...names: ('write' | 'fsync' | 'fdatasync' | 'rename')[]): string[] {
  const steps: string[] = []
  for (const name of names) {
    const original = fs[name] as (...parts: unknown[]) => void
    t.mock.method(fs, name, (...parts: unknown[]) => {
      steps.push(name)
      return original(...parts)
    })
  }
  return steps
}

/** What a disk that fills up does: takes a part of a write, and says so only in the count. */
function shortWrites(t: TestContext, most: number): void {
  const original = fs.write as (...parts: unknown[]) => void
  t.mock.method(
    fs,
    'write',
    (fd: number, bytes: Uint8Array, offset: number, length: number, position: number, done: unknown) =>
      original(fd, bytes, offset, Math.min(length, most), position, done),
  )
}

async function rejectsWith(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, { code: `ERR_CISTERN_${code}` })
}

describe('a snapshot', () => {
  it('gives back its payloads and its header', async (t) => {
    const dir = await temporaryDir(t)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 20 }), async (payloads) => {
        const { bytes } = await writeSnapshot(dir, header, payloads, { sync: false })
        const content = await readSnapshot(join(dir, 'cov.bin'), { storeId, kind: 'cov' })
        assert.deepEqual(content.header, header)
        assert.deepEqual(shown(content.payloads), shown(payloads))
        assert.deepEqual([content.whole, content.missing, content.bytes], [true, false, bytes])
      }),
      { numRuns: 30 },
    )
    assert.equal((await stat(join(dir, 'cov.bin'))).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(dir), ['cov.bin'])
  })

  it('holds payloads up to MAX_PAYLOAD, also when they fill its chunks to the last byte', async (t) => {
    const dir = await temporaryDir(t)
    const largest = FRAME_OVERHEAD + MAX_PAYLOAD
    // What a third frame may take, so that a largest one after it ends with the chunk.
    const exact = 1024 * 1024 - encodeHeader(header).length - 3 * largest - FRAME_OVERHEAD
    for (const spare of [0, 1, 27, 28, 29, 60]) {
      const sizes = [MAX_PAYLOAD, MAX_PAYLOAD, exact - spare, MAX_PAYLOAD]
      await writeSnapshot(
        dir,
        header,
        sizes.map((size) => new Uint8Array(size).fill(size)),
        { sync: false },
      )
      const content = await readSnapshot(join(dir, 'cov.bin'))
      assert.ok(content.whole)
      assert.deepEqual(
        content.payloads.map(({ length }) => length),
        sizes,
      )
    }
    await assert.rejects(writeSnapshot(dir, header, [new Uint8Array(MAX_PAYLOAD + 1)], { sync: false }), RangeError)
  })

  it('copies a payload before the next is asked for', async (t) => {
    const dir = await temporaryDir(t)
    const one = Buffer.alloc(1)
    const reusing = async function* () {
      for (const value of [1, 2, 3]) {
        one[0] = value
        yield one
      }
    }
    await writeSnapshot(dir, header, reusing(), { sync: false })
    assert.deepEqual(shown((await readSnapshot(join(dir, 'cov.bin'))).payloads), ['01', '02', '03'])
  })

  it('above 4 MiB streams in chunks of at most 1 MiB, syncs, then takes its name', async (t) => {
    const dir = await temporaryDir(t)
    const payloads = [...payloadsOf(LARGE.count, LARGE.bytes)]
    const steps = noting(t, 'fdatasync', 'fsync')
    const sizes: number[] = []
    const original = fs.write as (...parts: unknown[]) => void
    t.mock.method(fs, 'write', (...parts: unknown[]) => {
      sizes.push(Number(parts[3]))
      return original(...parts)
    })
    const beforeRename = async () => {
      steps.push('before rename')
      const [name, ...others] = await readdir(dir)
      assert.match(name ?? '', /^cov\.bin\.[0-9a-f]{12}\.tmp$/)
      assert.deepEqual(others, [])
    }
    const { bytes } = await writeSnapshot(dir, header, payloads, { sync: true, beforeRename })
    t.mock.restoreAll()
    assert.deepEqual(steps, ['fdatasync', 'before rename', 'fsync'])
    assert.ok(sizes.length >= 9 && Math.max(...sizes) <= 1024 * 1024, `${sizes}`)
    const content = await readSnapshot(join(dir, 'cov.bin'))
    assert.deepEqual([content.whole, content.bytes], [true, bytes])
    assert.ok(content.payloads.every((payload, i) => Buffer.compare(payload, payloads[i] ?? Buffer.alloc(0)) === 0))
    assert.equal(new Set(content.payloads.map(({ buffer }) => buffer)).size, 1)
    assert.deepEqual(await readdir(dir), ['cov.bin'])
  })

  it('above the size of one read is read in several, with frames across their borders', async (t) => {
    const dir = await temporaryDir(t)
    const payloads = [...payloadsOf(200, 200_003)] // 40 MB
    await writeSnapshot(dir, header, payloads, { sync: false })
    const content = await readSnapshot(join(dir, 'cov.bin'))
    assert.ok(content.whole)
    assert.ok(content.payloads.every((payload, i) => Buffer.compare(payload, payloads[i] ?? Buffer.alloc(0)) === 0))
    assert.equal(new Set(content.payloads.map(({ buffer }) => buffer)).size, 3)
  })

  it('syncs file and directory, or in relaxed mode neither', async (t) => {
    const dir = await temporaryDir(t)
    const steps = noting(t, 'fdatasync', 'fsync', 'rename')
    await writeSnapshot(dir, header, texts('a'), {
      sync: true,
      beforeRename: async () => void steps.push('before rename'),
    })
    assert.deepEqual(steps, ['fsync', 'rename', 'before rename', 'fsync'])
    steps.length = 0
    await writeSnapshot(dir, header, texts('a'), { sync: false })
    await writeSnapshot(dir, header, payloadsOf(LARGE.count, LARGE.bytes), { sync: false, protect: true })
    assert.deepEqual(steps, ['rename'])
  })

  it('keeps the one before as prev only when asked to, and before the new one is there', async (t) => {
    const dir = await temporaryDir(t)
    const write = (text: string, protect: boolean, beforeRename?: () => Promise<void>) =>
      writeSnapshot(dir, header, texts(text), { sync: true, protect, beforeRename })
    const read = async (name: string) => Buffer.concat((await readSnapshot(join(dir, name))).payloads).toString()

    await write('one', true)
    assert.equal((await readSnapshot(join(dir, 'cov.prev.bin'))).missing, true)
    await write('two', true, async () =>
      assert.deepEqual([await read('cov.prev.bin'), await read('cov.bin')], ['one', 'one']),
    )
    assert.deepEqual([await read('cov.prev.bin'), await read('cov.bin')], ['one', 'two'])
    await write('bad', false)
    assert.deepEqual([await read('cov.prev.bin'), await read('cov.bin')], ['one', 'bad'])
    // Again after a failure between: both names are already of one file.
    await assert.rejects(
      write('never', true, () => Promise.reject(new Error('lost the lock'))),
      /lost the lock/,
    )
    await write('three', true)
    assert.deepEqual([await read('cov.prev.bin'), await read('cov.bin')], ['bad', 'three'])
    assert.deepEqual((await readdir(dir)).sort(), ['cov.bin', 'cov.prev.bin'])
  })

  it('keeps a copy as prev where there are no hard links', async (t) => {
    const dir = await temporaryDir(t)
    await writeSnapshot(dir, header, texts('one'), { sync: true })
    t.mock.method(fs.promises, 'link', () => Promise.reject(Object.assign(new Error('no links'), { code: 'EPERM' })))
    await writeSnapshot(dir, header, texts('two'), { sync: true, protect: true })
    assert.deepEqual(shown((await readSnapshot(join(dir, 'cov.prev.bin'))).payloads), shown(texts('one')))
    assert.deepEqual((await readdir(dir)).sort(), ['cov.bin', 'cov.prev.bin'])
  })

  it('written short by a full disk takes no name: reading it back tells [core 51]', async (t) => {
    const dir = await temporaryDir(t)
    await writeSnapshot(dir, header, texts('good'), { sync: true })
    shortWrites(t, 50)
    await rejectsWith(writeSnapshot(dir, header, [...payloadsOf(3, 100)], { sync: true, protect: true }), 'STORAGE_IO')
    t.mock.restoreAll()
    for (const name of ['cov.bin', 'cov.prev.bin'])
      assert.deepEqual(shown((await readSnapshot(join(dir, name))).payloads), shown(texts('good')))
    assert.deepEqual(
      (await readdir(dir)).sort(),
      ['cov.bin', 'cov.prev.bin'],
      'what was cut short takes no room either',
    )
  })

  it('above 4 MiB goes on after short writes', async (t) => {
    const dir = await temporaryDir(t)
    shortWrites(t, 300_000)
    await writeSnapshot(dir, header, payloadsOf(LARGE.count, LARGE.bytes), { sync: false })
    t.mock.restoreAll()
    assert.equal((await readSnapshot(join(dir, 'cov.bin'))).payloads.length, LARGE.count)
  })

  it('that another one took the place of is no success', async (t) => {
    const dir = await temporaryDir(t)
    const other = await temporaryDir(t)
    await writeSnapshot(other, { ...header, session: 'session-2' }, texts('a'), { sync: false })
    const original = fs.rename as (...parts: unknown[]) => void
    t.mock.method(fs, 'rename', (_from: string, to: string, done: unknown) =>
      original(join(other, 'cov.bin'), to, done),
    )
    await rejectsWith(writeSnapshot(dir, header, texts('a'), { sync: false }), 'STORAGE_IO')
  })

  it('that fails leaves the present one and no temporary file', async (t) => {
    const dir = await temporaryDir(t)
    await writeSnapshot(dir, header, texts('present'), { sync: true })
    const abort = new AbortController()
    const reason = new Error('closing')
    const endless = function* (after: () => void) {
      yield* payloadsOf(LARGE.count, LARGE.bytes)
      after()
      yield* payloadsOf(LARGE.count, LARGE.bytes)
    }
    const stopped = new Error('stopped')
    const stop = () => {
      throw stopped
    }
    const rejects = (
      payloads: Iterable<Uint8Array>,
      options: { signal?: AbortSignal; beforeRename?: () => Promise<void> },
      error: Error,
    ) => assert.rejects(writeSnapshot(dir, header, payloads, { sync: true, ...options }), (thrown) => thrown === error)
    await rejects(
      endless(() => abort.abort(reason)),
      { signal: abort.signal },
      reason,
    )
    await rejects([], { signal: abort.signal }, reason)
    await rejects(endless(stop), {}, stopped)
    await rejects(
      endless(() => {}),
      { beforeRename: async () => stop() },
      stopped,
    )
    await rejects(texts('small'), { beforeRename: async () => stop() }, stopped)
    for (const [call, code, payloads] of [
      ['fdatasync', 'EIO', payloadsOf(LARGE.count, LARGE.bytes)],
      ['write', 'ENOSPC', payloadsOf(LARGE.count, LARGE.bytes)],
      ['write', 'ENOSPC', texts('small')],
      ['fsync', 'EIO', texts('small')],
    ] as const) {
      t.mock.method(fs, call, (...parts: unknown[]) =>
        process.nextTick(parts.at(-1) as () => void, Object.assign(new Error('made to fail'), { code })),
      )
      await rejectsWith(
        writeSnapshot(dir, header, payloads, { sync: true }),
        code === 'EIO' ? 'STORAGE_IO' : 'NO_SPACE',
      )
      t.mock.restoreAll()
    }
    assert.deepEqual(await readdir(dir), ['cov.bin'])
    assert.deepEqual(shown((await readSnapshot(join(dir, 'cov.bin'))).payloads), shown(texts('present')))
  })

  it('takes no name once the root is lost, however late that is seen [core 55]', async (t) => {
    const dir = await temporaryDir(t)
    await writeSnapshot(dir, header, texts('before'), { sync: true })
    await writeSnapshot(dir, header, texts('present'), { sync: true, protect: true })
    const lost = new Error('lost the root')
    const written: string[] = []
    const look = async () => {
      for (const name of await readdir(dir))
        if (name.endsWith('.tmp')) written.push(await readFile(join(dir, name), 'utf8'))
      throw lost
    }
    await assert.rejects(writeSnapshot(dir, header, texts('new'), { sync: true, beforeRename: look }), lost)
    assert.match(written.join(), /new/, 'the last look comes when nothing but the rename is left')
    const check = () => {
      throw lost
    }
    await assert.rejects(writeSnapshot(dir, header, texts('new'), { sync: true, protect: true, check }), lost)
    const read = async (name: string) => Buffer.concat((await readSnapshot(join(dir, name))).payloads).toString()
    assert.deepEqual([await read('cov.prev.bin'), await read('cov.bin')], ['before', 'present'])
    assert.deepEqual((await readdir(dir)).sort(), ['cov.bin', 'cov.prev.bin'])
  })

  it('never follows a symlink out of its directory, and is not stopped by a folder in its place', async (t) => {
    const dir = await temporaryDir(t)
    const outside = join(await temporaryDir(t), 'precious')
    await writeFile(outside, 'precious')
    await symlink(outside, join(dir, 'cov.bin'))
    await mkdir(join(dir, 'lru.bin'))
    await mkdir(join(dir, 'pins.prev.bin'))
    for (const kind of ['cov', 'lru', 'pins', 'pins'] as const) {
      await writeSnapshot(dir, headerOf(kind, 1), texts(kind), { sync: true, protect: true })
      assert.equal((await readSnapshot(join(dir, `${kind}.bin`), { kind })).whole, true, kind)
    }
    assert.equal(await readFile(outside, 'utf8'), 'precious')
    assert.equal((await readdir(dir)).filter((name) => name.endsWith('.aside')).length, 3)
  })
})

describe('reading a snapshot', () => {
  /** A small snapshot, and where its frames end: header, payloads, end frame. */
  async function small(dir: string): Promise<{ path: string; bytes: Buffer; payloads: Uint8Array[]; ends: number[] }> {
    const payloads = texts('first', '', 'the third')
    await writeSnapshot(dir, header, payloads, { sync: false })
    const ends = [encodeHeader(header).length]
    for (const { length } of payloads) ends.push((ends.at(-1) ?? 0) + FRAME_OVERHEAD + length)
    const path = join(dir, 'cov.bin')
    return { path, bytes: await readFile(path), payloads, ends }
  }

  it('cut at any length loses what was cut, and never looks whole [core 49]', async (t) => {
    const { path, bytes, payloads, ends } = await small(await temporaryDir(t))
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length))
      const content = await readSnapshot(path)
      const left = payloads.filter((_, i) => (ends[i + 1] ?? 0) <= length)
      assert.equal(content.whole, false, `cut at ${length}`)
      assert.deepEqual(shown(content.payloads), shown(left), `cut at ${length}`)
    }
  })

  it('with any byte flipped loses at most the frame it is in, and never looks whole [core 49]', async (t) => {
    const { path, bytes, payloads, ends } = await small(await temporaryDir(t))
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ 0x24
      await writeFile(path, flipped)
      const content = await readSnapshot(path)
      const left = payloads.filter((_, i) => at < (ends[i] ?? 0) || at >= (ends[i + 1] ?? 0))
      assert.equal(content.whole, false, `byte ${at}`)
      assert.deepEqual(shown(content.payloads), at < (ends[0] ?? 0) ? [] : shown(left), `byte ${at}`)
    }
  })

  it('with a frame taken out, swapped or added never looks whole', async (t) => {
    const { path, bytes, ends } = await small(await temporaryDir(t))
    const [head, a, b, c] = [0, ...ends].map((end, i) => bytes.subarray(end, ends[i] ?? bytes.length))
    const end = bytes.subarray(ends.at(-1))
    assert.ok(head && a && b && c)
    for (const parts of [
      [head, a, c, end],
      [head, b, a, c, end],
      [head, a, b, c, c, end],
      [head, end],
      [head, a, b, c, end, end],
    ]) {
      await writeFile(path, Buffer.concat(parts))
      assert.equal((await readSnapshot(path)).whole, false)
    }
    await writeFile(path, Buffer.concat([head, a, b, c, end]))
    assert.equal((await readSnapshot(path)).whole, true)
  })

  it('of another store or another kind takes nothing from it', async (t) => {
    const { path } = await small(await temporaryDir(t))
    for (const wanted of [{ storeId: otherStoreId }, { kind: 'lru' }] as const) {
      const { header: none, payloads, whole } = await readSnapshot(path, wanted)
      assert.deepEqual([none, payloads, whole], [undefined, [], false])
    }
  })

  it('takes no frame of another kind with the same number', async (t) => {
    const dir = await temporaryDir(t)
    const { path, bytes, ends } = await small(dir)
    await writeSnapshot(dir, { ...header, kind: 'lru' }, texts('first'), { sync: false })
    const other = await readFile(join(dir, 'lru.bin'))
    const start = encodeHeader({ ...header, kind: 'lru' }).length
    await writeFile(path, Buffer.concat([bytes.subarray(0, ends[0]), other.subarray(start)]))
    assert.deepEqual((await readSnapshot(path)).payloads, [])
  })

  it('that is missing says so; a symlink, a directory, garbage are damage', async (t) => {
    const dir = await temporaryDir(t)
    const { path } = await small(dir)
    assert.deepEqual(await readSnapshot(join(dir, 'none')), { payloads: [], whole: false, missing: true, bytes: 0 })
    await symlink(path, join(dir, 'link'))
    await mkdir(join(dir, 'folder'))
    await writeFile(join(dir, 'garbage'), Buffer.alloc(9000, 0xc1))
    await writeFile(join(dir, 'empty'), '')
    for (const name of ['link', 'folder', 'garbage', 'empty']) {
      const { header: none, payloads, whole, missing } = await readSnapshot(join(dir, name))
      assert.deepEqual([none, payloads, whole, missing], [undefined, [], false, false], name)
    }
  })

  it('refuses another version by name [core 54]', async (t) => {
    const path = join(await temporaryDir(t), 'cov.bin')
    await writeFile(path, encodeHeader(header, { version: 9 }))
    await assert.rejects(readSnapshot(path), { code: 'ERR_CISTERN_INDEX_VERSION', message: /cov\.bin.*version 9/ })
  })
})

describe('temporary files of a crash', () => {
  it('are removed, and nothing else', async (t) => {
    const dir = await temporaryDir(t)
    const strays = ['cov.bin.2893411', 'lru.prev.bin.0123456789ab.tmp', 'pins.bin.0123456789ab.tmp']
    const others = [
      'cov.bin',
      'cov.prev.bin',
      'cov.bin.bak',
      'film.bin.123',
      'journal-1.log',
      'lock',
      'cov.bin.tmp',
      'cov.bin.12345678901',
    ]
    for (const name of [...strays, ...others]) await writeFile(join(dir, name), '')
    await mkdir(join(dir, 'lru.bin.77'))
    await removeStrays(dir, () => undefined)
    assert.deepEqual((await readdir(dir)).sort(), [...others, 'lru.bin.77'].sort())
    await rejectsWith(
      removeStrays(join(dir, 'nowhere'), () => undefined),
      'STORAGE_IO',
    )
  })

  it('of an atomic write that was killed match the pattern', async (t) => {
    const dir = await temporaryDir(t)
    let seen: string[] = []
    const original = fs.rename as (...parts: unknown[]) => void
    t.mock.method(fs, 'rename', (...parts: unknown[]) => {
      seen = fs.readdirSync(dir)
      for (const name of seen) fs.copyFileSync(join(dir, name), join(dir, name.replace(/\d+$/, '123')))
      return original(...parts)
    })
    await writeSnapshot(dir, header, texts('a'), { sync: false })
    t.mock.restoreAll()
    assert.match(seen.join(), /^cov\.bin\.[0-9a-f]{12}\.tmp\.\d+$/)
    await removeStrays(dir, () => undefined)
    assert.deepEqual(await readdir(dir), ['cov.bin'])
  })
})
