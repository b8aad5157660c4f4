// How an app tests what it does when the disk is full, or disk or origin are slow, with neither: MemStore behaves as the
// store on files does, and its fault hook is asked before each operation.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Fault, MemStore } from '@cistern/mem-store'
import { type Origin, Podcasts } from './podcasts.js'

const PIECE = 64 * 1024
const EPISODE = Buffer.concat([Buffer.alloc(PIECE, 'intro'), Buffer.alloc(PIECE, 'talk'), Buffer.alloc(PIECE, 'outro')])

test('an episode is fetched once and played from the store after that', async () => {
  await using store = await MemStore.open()
  const { origin, asked } = countingOrigin()
  const podcasts = new Podcasts(store, origin)
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  assert.deepEqual(asked, [0])
  assert.equal(podcasts.isStored('e1'), true)
})

test('a full disk: the listener hears the whole episode, and it is stored once there is room', async () => {
  let isFull = true
  const fullDisk: Fault = ({ op, position }) => {
    if (isFull && op === 'write' && position >= PIECE) throw noSpace()
  }
  await using store = await MemStore.open({ fault: fullDisk })
  const { origin } = countingOrigin()
  const podcasts = new Podcasts(store, origin)
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  assert.equal(podcasts.isStored('e1'), false)

  isFull = false
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  assert.equal(podcasts.isStored('e1'), true)
})

test('a slow disk: the episode is heard to its end before any of it is synced', async () => {
  const gate = new EventTarget()
  const opened = once(gate, 'open')
  const slowDisk: Fault = async ({ op }) => {
    if (op === 'sync') await opened
  }
  await using store = await MemStore.open({ fault: slowDisk })
  const podcasts = new Podcasts(store, countingOrigin().origin)
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  gate.dispatchEvent(new Event('open')) // closing the store waits for the disk
})

test('a slow origin: the beginning is heard while the rest is held back', async () => {
  const gate = new EventTarget()
  const arrived = once(gate, 'arrived')
  await using store = await MemStore.open()
  // Slow is the origin, not the disk: what is being written is heard already.
  const podcasts = new Podcasts(store, countingOrigin({ arrived }).origin)
  const heard = podcasts.play('e1')
  const first = await heard.next()
  assert.deepEqual(Buffer.from(first.value ?? []), EPISODE.subarray(0, PIECE))

  const second = heard.next()
  assert.equal(await Promise.race([second.then(() => 'heard'), turn('held back')]), 'held back')
  assert.equal(podcasts.isStored('e1'), false)

  gate.dispatchEvent(new Event('arrived'))
  const next = await second
  assert.deepEqual(Buffer.concat([next.value ?? [], await all(heard)]), EPISODE.subarray(PIECE))
  assert.equal(podcasts.isStored('e1'), true)
})

test('an origin that breaks off: the app is told, and the next try asks for the rest only', async () => {
  await using store = await MemStore.open()
  const { origin, asked } = countingOrigin({ breaksAt: 2 * PIECE })
  const podcasts = new Podcasts(store, origin)
  await assert.rejects(all(podcasts.play('e1')))
  assert.deepEqual(await all(podcasts.play('e1')), EPISODE)
  assert.deepEqual(asked, [0, 2 * PIECE])
})

interface OriginOptions {
  /** The first answer ends there with an error. */
  readonly breaksAt?: number
  /** All but the first piece comes after this. */
  readonly arrived?: Promise<unknown>
}

/** An origin in memory that notes where it was asked to begin. */
function countingOrigin({ breaksAt, arrived }: OriginOptions = {}) {
  const asked: number[] = []
  const origin: Origin = async function* (_episode, start) {
    asked.push(start)
    for (let at = start; at < EPISODE.length; at += PIECE) {
      if (asked.length === 1 && at === breaksAt) throw new Error('connection reset')
      await (at > start ? arrived : undefined)
      await turn() // as a network brings them: one after the other
      yield EPISODE.subarray(at, at + PIECE)
    }
  }
  return { origin, asked }
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const heard: Uint8Array[] = []
  for await (const chunk of chunks) heard.push(chunk)
  return Buffer.concat(heard)
}

/** What a real disk says. */
function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
}
