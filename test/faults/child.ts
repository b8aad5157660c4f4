// The process that is killed: opens a store and works on it until it is. `node child.js ROOT SEED DURABILITY`
import { AssetStore, type Durability } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../helpers/bytes.js'
import { KeyWork } from './key-work.js'
import { FILMS, PLAIN, SEALED } from './keys.js'
import { MoveWork } from './move-work.js'
import { reading } from './reading.js'
import { say } from './report.js'
import { SealedWork } from './sealed-work.js'
import { Workshop } from './workshop.js'
import { pause } from './writing.js'

const MAX_BYTES = 4 * 1024 * 1024
const READERS = 6

const [root = '', seedText = '', durability = 'ordered'] = process.argv.slice(2)
const seed = Number(seedText)

process.on('uncaughtException', (error) => say({ is: 'violation', what: told('uncaught', error) }))
process.on('unhandledRejection', (error) => say({ is: 'violation', what: told('unhandled', error) }))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

say({ is: 'opening' })
const started = performance.now()
const store = await opened()
store.on('evict', () => say({ is: 'met', what: 'evicted' }))
store.on('degraded', ({ error }) => say({ is: 'failure', what: told('degraded', error) }))
store.on('readonly', ({ error }) => say({ is: 'failure', what: told('readonly', error) }))
for (const film of FILMS) store.lease(film) // for life: what is reported of them is not evicted
say({ is: 'opened', ms: performance.now() - started })

const shop = new Workshop(store)
for (const [index, key] of PLAIN.entries()) goOn(`work on ${key.id}`, new KeyWork(shop, key, seed * 100 + index).step)
for (const [index, key] of SEALED.entries())
  goOn(`work on ${key.id}`, new SealedWork(shop, key, seed * 100 + 40 + index).step)
goOn('moves', new MoveWork(shop, seed * 100 + 45).step)
for (let index = 0; index < READERS; index++) goOn('a reader', reading(shop, seed * 100 + 80 + index))
for (const [index, film] of FILMS.entries()) goOn(`pins of ${film}`, pinning(film, seed * 100 + 50 + index))
goOn('checkpoint', checkpoints(seed * 100 + 99))
goOn('squeeze', squeezing(seed * 100 + 98))

async function opened(): Promise<AssetStore> {
  const limits = { minFreeBytes: 0, maxBytes: MAX_BYTES }
  try {
    return await AssetStore.open({ root, durability: durability as Durability, flushMs: 20, ...limits })
  } catch (error) {
    say({ is: 'failure', what: told('open', error) })
    process.exit(1)
  }
}

/** One step after another, for ever: the end comes from outside. */
async function goOn(what: string, step: () => Promise<void>): Promise<never> {
  for (;;) {
    try {
      await step()
    } catch (error) {
      say({ is: 'failure', what: told(what, error) })
      await pause(10)
    }
  }
}

function pinning(asset: string, pinSeed: number): () => Promise<void> {
  const random = randomNumbers(pinSeed)
  return async () => {
    await pause(randomInteger(random, 5, 120))
    if (random() < 0.08) return removeAsset(asset)
    const pinned = random() < 0.5
    say({ is: 'begin-pin', asset, pinned })
    await (pinned ? store.pin(asset) : store.unpin(asset))
    say({ is: 'done-pin', asset, pinned })
  }
}

async function removeAsset(asset: string): Promise<void> {
  say({ is: 'begin-remove-asset', asset })
  await store.removeAsset(asset)
  say({ is: 'done-remove-asset', asset })
}

function checkpoints(checkpointSeed: number): () => Promise<void> {
  const random = randomNumbers(checkpointSeed)
  return async () => {
    await pause(randomInteger(random, 10, 200))
    const { readers, writers } = store.stats()
    say({ is: 'met', what: 'looks' })
    say({ is: 'met', what: 'readers seen', times: readers })
    say({ is: 'met', what: 'writers seen', times: writers })
    say({ is: 'begin-checkpoint' })
    await store.checkpoint()
    say({ is: 'done-checkpoint' })
  }
}

/** Room gets short for a moment: what no lease keeps is evicted. */
function squeezing(squeezeSeed: number): () => Promise<void> {
  const random = randomNumbers(squeezeSeed)
  return async () => {
    await pause(randomInteger(random, 10, 150))
    await store.setLimits({ maxBytes: Math.floor(store.stats().bytes * 0.9) })
    await pause(randomInteger(random, 0, 10))
    await store.setLimits({ maxBytes: MAX_BYTES })
  }
}

function told(what: string, error: unknown): string {
  return `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}
