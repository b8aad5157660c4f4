// The process that is killed: opens a store and works on it until it is. `node child.js ROOT SEED DURABILITY`
import { AssetStore, type Durability } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../helpers/bytes.js'
import { KeyWork } from './key-work.js'
import { ASSETS, KEYS } from './keys.js'
import { say } from './report.js'

const [root = '', seedText = '', durability = 'ordered'] = process.argv.slice(2)
const seed = Number(seedText)

process.on('uncaughtException', (error) => violation('uncaught', error))
process.on('unhandledRejection', (error) => violation('unhandled', error))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

say({ is: 'opening' })
const started = performance.now()
const store = await AssetStore.open({ root, durability: durability as Durability, minFreeBytes: 0, flushMs: 20 })
say({ is: 'opened', ms: performance.now() - started })

for (const [index, key] of KEYS.entries()) goOn(`work on ${key.id}`, new KeyWork(store, key, seed * 100 + index).step)
for (const [index, asset] of ASSETS.entries()) goOn(`pins of ${asset}`, pinning(asset, seed * 100 + 50 + index))
goOn('checkpoint', checkpoints(seed * 100 + 99))

/** One step after another, for ever: the end comes from outside. */
async function goOn(what: string, step: () => Promise<void>): Promise<never> {
  for (;;) {
    try {
      await step()
    } catch (error) {
      violation(what, error)
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
    say({ is: 'begin-checkpoint' })
    await store.checkpoint()
    say({ is: 'done-checkpoint' })
  }
}

/** Not a wait for anything: it spreads the work over the life of the process. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function violation(what: string, error: unknown): void {
  say({ is: 'violation', what: `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` })
}
