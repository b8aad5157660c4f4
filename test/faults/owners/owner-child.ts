// One of two who want a root: `node owner-child.js ROOT SEED DURABILITY [STOP] [WHILE]`. Told `close` and `exit` over IPC.
import { AssetStore, CisternError, type Durability } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { KeyWork } from '../key-work.js'
import { FILM_KEYS, FILMS } from '../keys.js'
import type { Held } from '../report.js'
import { Workshop } from '../workshop.js'
import { LooseWork, MAX_ASSETS, pause } from './loose-work.js'
import { tell } from './report.js'
import { type StopPoint, WatchedCalls } from './watched-calls.js'

const [root = '', seedText = '', durability = 'ordered', stopText = '', stopWhile = 'working'] = process.argv.slice(2)
const isFirst = process.argv.length > 5
const seed = Number(seedText)
const random = randomNumbers(seed)
const calls = new WatchedCalls(stopPoint(stopText))

process.on('uncaughtException', (error) => violation('uncaught', error))
process.on('unhandledRejection', (error) => violation('unhandled', error))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

tell({ is: 'opening' })
calls.isArmed = stopWhile === 'opening'
const store = await openOnceFree()
let lost = false
let closing = false
store.on('readonly', () => {
  lost = true
  tell({ is: 'readonly' })
})
process.on('message', (verb) => (verb === 'exit' ? process.exit(0) : void close()))
const { suspect, droppedRecords } = store.recovery
if (suspect) violation('opened', `the index is suspect: ${droppedRecords} records`)
for (const key of FILM_KEYS) tell({ is: 'seen', key: key.id, held: heldAt(key) })
const leases = FILMS.map((asset) => store.lease(asset)) // evictions would be states that no report announces
calls.isArmed = true
tell({ is: 'working' })

const shop = new Workshop(store)
const works: readonly (readonly [string, () => Promise<void>])[] = [
  ...FILM_KEYS.map((key, index) => [`work on ${key.id}`, new KeyWork(shop, key, seed * 100 + index).step] as const),
  ...FILMS.map((asset) => [`pins of ${asset}`, () => changePin(asset)] as const),
  ['checkpoint', checkpoint],
  ...(['fill', 'seal', 'compact'] as const).map((kind, index) => [kind, looseWork(kind, index)] as const),
]
for (const [what, step] of works) void goOn(what, step)

function looseWork(kind: 'fill' | 'seal' | 'compact', index: number): () => Promise<void> {
  const work = new LooseWork(store, seed * 100 + 60 + index)
  return () => work.step(kind)
}

/** A second owner waits until the first is out of the way; a first that is too late goes. */
async function openOnceFree(): Promise<AssetStore> {
  for (;;) {
    try {
      return await AssetStore.open({
        root,
        durability: durability as Durability,
        minFreeBytes: 0,
        flushMs: 20,
        maxAssets: MAX_ASSETS,
      })
    } catch (error) {
      if (!CisternError.is(error, 'ERR_CISTERN_STORE_LOCKED')) throw error
      const { holder, code } = error as typeof error & { readonly holder?: { readonly pid: number } }
      tell({ is: 'locked', holder: holder?.pid, code })
      if (isFirst) process.exit(0)
      await pause(100)
    }
  }
}

async function goOn(what: string, step: () => Promise<void>): Promise<void> {
  let refused = false
  while (!closing) {
    try {
      await step()
    } catch (error) {
      if (closing || (await isOfLoss(error))) {
        if (!refused) tell({ is: 'refused', what: `${what}: ${String(error)}` })
        refused = true
      } else violation(what, error)
      await pause(20)
    }
  }
}

/**
 * Once the root is lost, what is to be written is refused, and what the new owner replaced is not what it was. A call that was
 * under way may be the first to meet that: whoever hears of it waits until the loss is told, or not.
 */
async function isOfLoss(error: unknown): Promise<boolean> {
  if (CisternError.is(error, 'ERR_CISTERN_STORE_READONLY')) return true
  const met = [
    'ERR_CISTERN_NOT_FOUND',
    'ERR_CISTERN_REMOVED',
    'ERR_CISTERN_WRITER_CLOSED',
    'ERR_CISTERN_STORAGE_IO',
  ] as const
  if (!isFirst || !met.some((code) => CisternError.is(error, code))) return false
  for (let waited = 0; !lost && waited < 5_000; waited += 100) await pause(100)
  return lost
}

async function changePin(asset: string): Promise<void> {
  await pause(randomInteger(random, 5, 120))
  if (random() < 0.08) {
    tell({ is: 'begin-remove-asset', asset })
    await store.removeAsset(asset)
    tell({ is: 'done-remove-asset', asset })
    return
  }
  const pinned = random() < 0.5
  tell({ is: 'begin-pin', asset, pinned })
  await (pinned ? store.pin(asset) : store.unpin(asset))
  tell({ is: 'done-pin', asset, pinned })
}

async function checkpoint(): Promise<void> {
  await pause(randomInteger(random, 10, 200))
  tell({ is: 'begin-checkpoint' })
  await store.checkpoint()
  tell({ is: 'done-checkpoint' })
}

async function close(): Promise<void> {
  closing = true
  for (const lease of leases) lease[Symbol.dispose]()
  try {
    await store.close()
    tell({ is: 'closed', error: undefined })
  } catch (error) {
    tell({ is: 'closed', error: String(error) })
  }
}

function heldAt(key: (typeof FILM_KEYS)[number]): Held {
  const stat = store.stat(key)
  if (stat?.state !== 'committed') return null
  const { nonce } = (stat.metadata ?? { nonce: 0 }) as NonNullable<Held>
  return { nonce, length: stat.length ?? -1 }
}

function stopPoint(text: string): StopPoint | undefined {
  const [name, nth, side] = text.split(':')
  if (!name) return undefined
  return { name, nth: Number(nth), side: side === 'before' ? 'before' : 'after' }
}

function violation(what: string, error: unknown): void {
  tell({ is: 'violation', what: `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` })
}
