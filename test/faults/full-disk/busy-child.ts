// A busy store on a disk that others fill and free: `node busy-child.js ROOT SEED DURABILITY`. Told `rest` and then `settle`, it closes.
import { AssetStore, CisternError, type Durability } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { KeyWork } from '../key-work.js'
import { FILM_KEYS, FILMS } from '../keys.js'
import { LooseWork, pause } from '../owners/loose-work.js'
import { say } from '../report.js'
import { Workshop } from '../workshop.js'
import { isOfAFullDisk, tellState } from './full.js'

const [root = '', seedText = '', durability = 'ordered'] = process.argv.slice(2)
const seed = Number(seedText)
const random = randomNumbers(seed)

process.on('uncaughtException', (error) => violation('uncaught', error))
process.on('unhandledRejection', (error) => violation('unhandled', error))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

say({ is: 'opening' })
const store = await AssetStore.open({ root, durability: durability as Durability, minFreeBytes: 0, flushMs: 20 })
say({ is: 'opened', ms: 0 })
for (const event of ['degraded', 'restored', 'evict'] as const) store.on(event, () => tellState(event))
const leases = FILMS.map((asset) => store.lease(asset)) // evictions would be states that no report announces
let settling = false
const loose = new LooseWork(store, seed * 100 + 60)
const shop = new Workshop(store)
const works = [
  ...FILM_KEYS.map((key, index) => goOn(key.id, new KeyWork(shop, key, seed * 100 + index, isOfAFullDisk).step)),
  goOn('checkpoint', checkpoint),
  goOn('fill', () => loose.step('fill')),
  goOn('seal', () => loose.step('seal')),
  goOn('compact', () => loose.step('compact')),
]
process.on('message', (verb) => void (verb === 'rest' ? rest() : settle()))

/** Nobody writes any more: room that is made now is not filled by what is under way. */
async function rest(): Promise<void> {
  settling = true
  await Promise.all(works)
  process.send?.('resting')
}

/** There is room again: all of it goes through, and then it is closed. */
async function settle(): Promise<void> {
  try {
    say({ is: 'begin-checkpoint' })
    await patiently(() => store.checkpoint())
    say({ is: 'done-checkpoint' })
    const { state } = store.stats()
    if (state !== 'ok') violation('with room again', `the state is ${state}`)
    for (const lease of leases) lease[Symbol.dispose]()
    await store.close()
  } catch (error) {
    violation('with room again', error)
  }
  process.exit(0)
}

/** A journal that failed is tried again within a second. */
async function patiently(step: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step()
    } catch (error) {
      if (!isOfAFullDisk(error) || attempt === 10) throw error
      await pause(200)
    }
  }
}

async function goOn(what: string, step: () => Promise<void>): Promise<void> {
  while (!settling) {
    try {
      await step()
    } catch (error) {
      if (!isOfAFullDisk(error)) violation(what, error)
      await pause(5)
    }
    await pause(0) // what is refused at once must not keep the loop from all else
  }
}

async function checkpoint(): Promise<void> {
  await pause(randomInteger(random, 10, 150))
  say({ is: 'begin-checkpoint' })
  await store.checkpoint()
  say({ is: 'done-checkpoint' })
}

function violation(what: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const cause = CisternError.is(error) && error.cause ? `, because ${String(error.cause)}` : ''
  say({ is: 'violation', what: `${what}: ${text}${cause}` })
}
