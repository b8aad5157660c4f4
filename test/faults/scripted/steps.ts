import { contentOf } from '../content.js'
import { KEY, KEYS } from './keys.js'
import { decrypting, encrypted, type Session } from './session.js'

const BLOCK = 256 * 1024
/** Metadata that fills a journal: a compaction is due once it is 1 MiB. */
const PAD = 'm'.repeat(62_000)

interface Step {
  readonly name: string
  run(session: Session): Promise<void>
}

/** One life of a store, and a second one: every verb, and all that goes on behind them. */
export const STEPS: readonly Step[] = [
  { name: 'open', run: (session) => session.open() },
  { name: 'put what will be evicted', run: (session) => session.put(KEY.evicted, session.fresh(5_000)) },
  { name: 'fill in order', run: fillInOrder },
  { name: 'fill out of order', run: fillOutOfOrder },
  { name: 'put and replace', run: putAndReplace },
  { name: 'fail', run: fail },
  { name: 'rewrite under a reader', run: rewrite },
  { name: 'extend', run: extend },
  { name: 'pin', run: (session) => session.pin('film-2', true) },
  { name: 'fill what is encrypted', run: fillEncrypted },
  { name: 'leave half of what is encrypted', run: leaveHalf },
  { name: 'discard', run: discard },
  { name: 'set metadata', run: (session) => describe(session, 1) },
  { name: 'checkpoint', run: (session) => session.checkpoint() },
  { name: 'move', run: move },
  { name: 'remove', run: remove },
  { name: 'remove a whole asset that is pinned', run: removeWhole },
  { name: 'evict', run: evict },
  { name: 'pin another', run: (session) => session.pin('film-1', true) },
  { name: 'metadata for a compaction', run: (session) => describe(session, 18) },
  { name: 'put beside the compaction', run: (session) => session.put(KEY.playlist, session.fresh(9_000)) },
  { name: 'close', run: (session) => session.close() },
  { name: 'open again', run: (session) => session.open() },
  { name: 'read all', run: readAll },
  { name: 'go on with half of what is encrypted', run: finishHalf },
  { name: 'unpin', run: (session) => session.pin('film-1', false) },
  { name: 'metadata for another compaction', run: (session) => describe(session, 18) },
  { name: 'put what is encrypted', run: (session) => session.put(KEY.encrypted, session.fresh(70_001), decrypting) },
  { name: 'metadata for a compaction while closing', run: (session) => describe(session, 5) },
  { name: 'last close', run: (session) => session.close() },
]

async function fillInOrder(session: Session): Promise<void> {
  const held = session.fresh(4 * BLOCK + 1_000)
  await using got = await session.store.acquire(KEY.ordered)
  const { writer, reader } = got
  if (!writer) return
  await session.declare(writer, held)
  await session.write(writer, KEY.ordered, held, [0, 300_000], [300_000, 3 * BLOCK])
  await session.checkpoint()
  await session.write(writer, KEY.ordered, held, [3 * BLOCK, held.length])
  await session.compare(KEY.ordered, reader, held)
  await session.commit(writer, KEY.ordered, held)
  await session.checkpoint()
}

async function fillOutOfOrder(session: Session): Promise<void> {
  const held = session.fresh(3 * BLOCK)
  {
    await using got = await session.store.acquire(KEY.scattered)
    if (!got.writer) return
    await session.declare(got.writer, held)
    const { writer } = got
    const pieces = [
      [2 * BLOCK, 3 * BLOCK],
      [BLOCK, BLOCK + 40_000],
      [BLOCK + 40_000, BLOCK + 90_000],
      [100, 70_000],
    ] as const
    const writing = pieces.map((piece) => session.write(writer, KEY.scattered, held, piece))
    const failed = (await Promise.allSettled(writing)).find((one) => one.status === 'rejected')
    await got.writer.release()
    if (failed) throw failed.reason
  }
  await using got = await session.store.acquire(KEY.scattered)
  if (!got.writer) return
  const gaps = [...got.writer.coverage.gaps(0, held.length)].map(({ start, end }) => [start, end] as const)
  await session.declare(got.writer, held)
  await session.write(got.writer, KEY.scattered, held, ...gaps)
  await session.commit(got.writer, KEY.scattered, held)
}

async function putAndReplace(session: Session): Promise<void> {
  await session.put(KEY.playlist, session.fresh(300))
  await session.put(KEY.playlist, session.fresh(BLOCK + 300))
  await session.checkpoint()
  await session.put(KEY.playlist, session.fresh(400))
}

async function fail(session: Session): Promise<void> {
  await using got = await session.store.acquire(KEY.failed)
  if (!got.writer) return
  const held = session.fresh(2 * BLOCK)
  await session.declare(got.writer, held)
  await session.write(got.writer, KEY.failed, held, [0, BLOCK])
  await session.checkpoint()
  await got.writer.fail(session.broken)
}

async function rewrite(session: Session): Promise<void> {
  const before = session.held(KEY.playlist)
  if (!before) return
  using old = await session.store.open(KEY.playlist)
  await using got = await session.store.acquire(KEY.playlist, { mode: 'rewrite' })
  if (!got.writer) return
  const held = session.fresh(BLOCK + 77)
  await session.declare(got.writer, held)
  await session.write(got.writer, KEY.playlist, held, [0, 200_000], [200_000, held.length])
  await session.commit(got.writer, KEY.playlist, held)
  await session.checkpoint()
  await session.compare(KEY.playlist, old, before)
}

async function extend(session: Session): Promise<void> {
  const before = session.held(KEY.scattered)
  if (!before) return
  await using got = await session.store.acquire(KEY.scattered, { mode: 'extend' })
  if (!got.writer) return
  const held = { ...before, length: before.length + 100_000 }
  got.writer.setMetadata(held)
  await session.write(got.writer, KEY.scattered, held, [before.length, held.length])
  await session.commit(got.writer, KEY.scattered, held, held.length)
}

/** Held over a flush, and out of order: its source bytes reach a file of their own. */
async function fillEncrypted(session: Session): Promise<void> {
  const held = session.fresh(2 * BLOCK + 5)
  const source = encrypted(contentOf(KEY.encrypted.id, held.nonce, 0, held.length))
  await using got = await session.store.acquire(KEY.encrypted, { processor: decrypting })
  if (!got.writer) return
  got.writer.setMetadata(held)
  await got.writer.writeAt(0, source.subarray(0, 200_000))
  await got.writer.writeAt(400_000, source.subarray(400_000))
  await session.checkpoint()
  await session.compare(KEY.encrypted, got.reader, held)
  await got.writer.writeAt(200_000, source.subarray(200_000, 400_000))
  await session.commit(got.writer, KEY.encrypted, held, source.length)
}

async function leaveHalf(session: Session): Promise<void> {
  const held = { nonce: 1_000, length: BLOCK + 50_000 } // the same for the one who goes on with it
  const source = encrypted(contentOf(KEY.half.id, held.nonce, 0, held.length))
  await using got = await session.store.acquire(KEY.half, { processor: decrypting })
  if (!got.writer) return
  got.writer.setMetadata(held)
  await got.writer.writeAt(0, source.subarray(0, BLOCK + 10))
  await got.writer.release()
}

async function finishHalf(session: Session): Promise<void> {
  const held = { nonce: 1_000, length: BLOCK + 50_000 }
  const source = encrypted(contentOf(KEY.half.id, held.nonce, 0, held.length))
  await using got = await session.store.acquire(KEY.half, { processor: decrypting })
  if (!got.writer) return
  got.writer.setMetadata(held)
  for (const { start, end } of [...got.writer.coverage.gaps(0, source.length)])
    await got.writer.writeAt(start, source.subarray(start, end))
  await session.commit(got.writer, KEY.half, held, source.length)
  await session.compare(KEY.half, got.reader, held)
}

async function discard(session: Session): Promise<void> {
  await using got = await session.store.acquire(KEY.discarded)
  if (!got.writer) return
  const first = session.fresh(2 * BLOCK)
  await session.declare(got.writer, first)
  await session.write(got.writer, KEY.discarded, first, [0, BLOCK])
  await session.checkpoint()
  await got.writer.discard()
  const second = session.fresh(BLOCK + 9)
  await session.declare(got.writer, second)
  await session.write(got.writer, KEY.discarded, second, [0, second.length])
  await session.commit(got.writer, KEY.discarded, second)
}

/** So many times at once: they share a write or two of the journal. */
async function describe(session: Session, times: number): Promise<void> {
  let held = session.held(KEY.described)
  if (!held) await session.put(KEY.described, session.fresh(10))
  held = session.held(KEY.described)
  if (!held) return
  const edition = (held.edition ?? 0) + 1
  await session.changes([[KEY.described, { ...held, edition }]], () => {
    const metadata = { ...held, edition, pad: PAD }
    return Promise.all(Array.from({ length: times }, () => session.store.setMetadata(KEY.described, metadata)))
  })
}

/** Bytes name the key that they were written under: that goes with them. */
async function move(session: Session): Promise<void> {
  const before = session.held(KEY.playlist)
  if (!before) return
  const held = { ...before, of: KEY.playlist.id }
  await session.changes([[KEY.playlist, held]], () => session.store.setMetadata(KEY.playlist, held))
  const outcomes = [[KEY.moved, held] as const, [KEY.playlist, null] as const]
  await session.changes(outcomes, () => session.store.move(KEY.playlist, KEY.moved), true)
}

async function remove(session: Session): Promise<void> {
  await session.changes([[KEY.scattered, null]], () => session.store.remove(KEY.scattered), true)
}

async function removeWhole(session: Session): Promise<void> {
  await session.put(KEY.failed, session.fresh(BLOCK)) // the name that a folder had
  const gone = KEYS.filter(({ asset }) => asset === 'film-2').map((key) => [key, null] as const)
  await session.pinning('film-2', false, () => session.changes(gone, () => session.store.removeAsset('film-2'), true))
}

/** The least recently used goes. */
async function evict(session: Session): Promise<void> {
  const { assets } = session.store.stats()
  const oldest = [...session.store.assets()].find(({ pinned, resources }) => !pinned && resources > 0)
  if (!oldest || assets < 2) return
  session.leaves(oldest.asset)
  await session.store.setLimits({ maxAssets: assets - 1 })
  await session.store.setLimits({ maxAssets: Number.POSITIVE_INFINITY })
}

async function readAll(session: Session): Promise<void> {
  for (const key of KEYS) {
    const held = session.held(key)
    if (!held) continue
    using reader = await session.store.open(key)
    await session.compare(key, reader, held)
  }
}
