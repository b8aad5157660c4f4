import { CisternError } from '@cistern/assets'
import { decodeHeader } from '#assets/index/header.js'
import { VolatileLog } from '#assets/index/log.js'
import { encodeRecord } from '#assets/index/record.js'
import { type Recovered, recover } from '#assets/index/recovery.js'
import { MainIndex } from '#assets/index/store-index.js'
import { told } from '../../assets/index/records-of-a-life.js'
import { randomNumbers } from '../../helpers/bytes.js'
import { broken } from '../corrupt/broken-journals.js'
import { framesIn, type PlacedFrame } from '../corrupt/frames-in.js'
import { type IndexFiles, MemoryIndex } from '../corrupt/memory-index.js'
import { misshapen } from '../corrupt/misshapen.js'
import { replayed } from '../corrupt/replay.js'
import { nameOf, SESSION, type SmallJournals, smallJournals } from '../corrupt/small-journals.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

const ROUNDS = { quick: 10_000, full: 100_000 } as const
const STORES = 50 // each damaged in many ways
const SLOW_MS = 1_000
const ENOUGH = 10

/** Journals changed in every way: what their CRCs refuse is not there, what they accept and is no record of ours is skipped. */
export const fuzzedJournals: Part = {
  name: 'fuzzed-journals',
  about: 'journals with mutated bytes, and with records that have a good CRC and no sense',
  run,
}

async function run({ seed, quick, rounds: given }: PartOptions): Promise<PartOutcome> {
  const wanted = given ?? ROUNDS[quick ? 'quick' : 'full']
  const violations: string[] = []
  const stores = Array.from({ length: STORES }, (_, index) => smallJournals(seed * STORES + index))
  const met = { typed: 0, suspect: 0, slowest: 0 }
  using memory = new MemoryIndex()
  let rounds = 0
  for (let round = 1; round <= wanted && violations.length < ENOUGH; round++) {
    rounds = round
    const random = randomNumbers(seed * 1_000_003 + round)
    const journals = stores[round % STORES] as SmallJournals // a remainder is below it
    const other = stores[(round + 1) % STORES] as SmallJournals
    const isBroken = random() < 0.6
    const { how, files } = isBroken ? broken(random, journals, other) : misshapen(random, journals)
    const began = performance.now()
    try {
      memory.show(files)
      const recovered = await recover(memory.dir, SESSION)
      const wrong = isBroken ? differs(recovered, files, journals) : looksWrong(recovered)
      if (wrong) violations.push(`round ${round}, ${how}: ${wrong}`)
      if (recovered.suspect) met.suspect++
    } catch (error) {
      if (CisternError.is(error)) met.typed++
      else violations.push(`round ${round}, ${how}: ${error instanceof Error ? error.stack : String(error)}`)
    }
    if (memory.descriptors > 0) violations.push(`round ${round}, ${how}: ${memory.descriptors} descriptors left open`)
    const took = performance.now() - began
    met.slowest = Math.max(met.slowest, took)
    if (took > SLOW_MS) violations.push(`round ${round}, ${how}: took ${Math.round(took)} ms`)
  }
  const note = `${met.suspect} suspect, ${met.typed} refused with a typed error, slowest ${Math.round(met.slowest)} ms`
  return { rounds, violations, note }
}

/** Held against a replay of the frames that a scan of our own finds good. */
function differs(recovered: Recovered, files: IndexFiles, { storeId, numbers }: SmallJournals): string | undefined {
  const isKnown = numbers.some((number) => decodeHeader(files.get(nameOf(number)) as Uint8Array)) // theirs
  const survivors: PlacedFrame[] = []
  let missing = 0
  let last = 0
  for (const number of isKnown ? numbers : []) {
    const bytes = files.get(nameOf(number)) as Uint8Array // its number is one of theirs
    const { sequence: begins } = decodeHeader(bytes)?.header ?? { sequence: 0 }
    missing += Math.max(0, begins - last)
    last = Math.max(last, begins)
    for (const frame of framesIn(bytes, storeId, number)) {
      if (frame.sequence <= last) continue
      missing += frame.sequence - last - 1
      last = frame.sequence
      survivors.push(frame)
    }
  }
  const expected = replayed([], survivors)
  const [found, wanted] = [JSON.stringify(told(recovered.state)), JSON.stringify(told(expected))]
  if (found !== wanted) return `recovered ${found}, where the surviving frames give ${wanted}`
  if (missing > 0 && !recovered.suspect) return `${missing} records are missing, and the store is not suspect`
  return undefined
}

/** All that may be asked of an index, asked: nothing throws, and nothing leads out of the store. */
function looksWrong({ state, storeId, tip }: Recovered): string | undefined {
  if (!Number.isSafeInteger(tip.sequence + 1_000_000)) return `it goes on from sequence ${tip.sequence}`
  const index = new MainIndex({
    state,
    log: new VolatileLog(),
    session: 'look',
    storeId,
    durability: 'ordered',
    flushMs: 0,
    recovery: { resources: 0, droppedRecords: 0, suspect: false, ms: 0 },
    check: () => undefined,
    close: () => Promise.resolve(),
  })
  for (const { asset } of [...index.assets()]) {
    for (const { key, storedBytes } of index.resources(asset)) {
      if (!Number.isSafeInteger(storedBytes) || storedBytes < 0) return `${key.id} occupies ${storedBytes}`
      for (const slot of [index.entry(key)?.committed, index.entry(key)?.active])
        if (slot && leadsOut(slot.name)) return `${key.id} has the file name ${JSON.stringify(slot.name)}`
    }
    for (const leaf of state.rows.get(asset)?.leaves ?? []) leaf.packed()
  }
  for (const { asset, name } of index.strays())
    if (leadsOut(name) || leadsOut(asset)) return `a stray is named ${JSON.stringify(`${asset}/${name}`)}`
  for (const record of state.unnamedRecords()) encodeRecord(record, 'look')
  if (!Number.isSafeInteger(state.totalBytes) || state.totalBytes < 0) return `${state.totalBytes} bytes in all`
  if (!Number.isSafeInteger(state.clock)) return `the clock of uses stands at ${state.clock}`
  return undefined
}

function leadsOut(name: string): boolean {
  return name.includes('\0') || name.split('/').some((part) => part === '' || part === '.' || part === '..')
}
