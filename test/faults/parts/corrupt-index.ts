import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AssetStore, CisternError, inspectStore } from '@cistern/assets'
import { decodeHeader, encodeHeader } from '#assets/index/header.js'
import { filesUnder } from '../../assets/disk/open-disk.js'
import { randomChoice, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { addLeftovers, copyStore, lookAt } from '../corrupt/copies.js'
import { everyByte } from '../corrupt/every-byte.js'
import { FILE_DAMAGE, NO_FILE, type Scene } from '../corrupt/file-damage.js'
import { historyOfFullStore, makeFullStore } from '../corrupt/full-store.js'
import { pristineIndex } from '../corrupt/pristine.js'
import { FILM_KEYS, FILMS_ALONE } from '../keys.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { examine } from '../survivors.js'

const [OURS, THEIRS] = [1, 1_001] // first nonces
const OPENED = { quick: 30, full: 400 } as const
const STRIDE = { quick: 16, full: 1 } as const
/** Those who contend for a root leave their marks, also when they give up; the folder's own time changes with them. */
const OWNERSHIP = /^_index(\/(lock|claim|owner).*)?$/
const HANGS_MS = 30_000
const ENOUGH = 10

/** Every file of an index damaged in every way: it opens, and gives what the other records give, and nothing else. */
export const corruptIndex: Part = {
  name: 'corrupt-index',
  about: 'each index file missing, cut, flipped, swapped, noise, a folder, a symlink, of a newer version',
  run,
}

async function run(options: PartOptions): Promise<PartOutcome> {
  return await inTempFolder(async (folder) => {
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')]
    await Promise.all([makeFullStore(ours, OURS), makeFullStore(theirs, THEIRS)])
    const places: Places = { ours, theirs, copies: join(folder, 'copies') }
    mkdirSync(places.copies)
    const size = options.quick ? 'quick' : 'full'
    // A sample of a sample still has some of each.
    const share = options.rounds === undefined ? 1 : Math.min(1, options.rounds / OPENED[size])
    const stride = Math.ceil(STRIDE[size] / share)
    const bytes = await everyByte(await pristineIndex(ours), stride, options.seed)
    const opened = await openDamaged(places, Math.ceil(OPENED[size] * share), options.seed)
    const newer = await openNewer(places, share === 1 ? undefined : options.rounds)
    const tried = bytes.rounds + opened.rounds + newer.rounds
    return {
      rounds: options.rounds ?? tried,
      violations: [...bytes.violations, ...opened.violations, ...newer.violations],
      note: `${bytes.rounds} flips and cuts in memory, ${opened.rounds} opened and read whole, of which ${opened.suspect} suspect and ${opened.refused} refused, ${newer.rounds} of newer versions`,
    }
  })
}

interface Places {
  readonly ours: string
  readonly theirs: string
  readonly copies: string
}

interface Outcome {
  readonly rounds: number
  readonly violations: readonly string[]
}

interface Opened {
  readonly suspect: boolean
  readonly refused: boolean
  readonly violations: readonly string[]
}

/** One file damaged in each way that there is, then two of them, at random, until there are as many as asked for. */
async function openDamaged(
  places: Places,
  rounds: number,
  seed: number,
): Promise<Outcome & { readonly suspect: number; readonly refused: number }> {
  const random = randomNumbers(seed)
  const violations: string[] = []
  const counts = { suspect: 0, refused: 0 }
  const names = readdirSync(join(places.ours, '_index'))
  const kinds = [...Object.keys(FILE_DAMAGE), ...Object.keys(NO_FILE)]
  const singles = shuffled(
    random,
    names.flatMap((name) => kinds.map((kind) => [[name, kind]] as const)),
  )
  for (let round = 0; round < rounds && violations.length < ENOUGH; round++) {
    // In quick runs some of both; in a full one, all of the single ones come first.
    const single = singles.length > rounds && round % 4 === 3 ? undefined : singles.pop()
    const damages =
      single ?? [0, 1].map(() => [randomChoice(random, names), randomChoice(random, Object.keys(FILE_DAMAGE))] as const)
    const what = damages.map(([name, kind]) => `${name}: ${kind}`).join(', ')
    const found = await openOne(places, round, damages, random)
    if (found.suspect) counts.suspect++
    if (found.refused) counts.refused++
    violations.push(...found.violations.map((violation) => `${what}: ${violation}`))
  }
  return { rounds, violations, ...counts }
}

async function openOne(
  { ours, theirs, copies }: Places,
  round: number,
  damages: readonly (readonly [name: string, kind: string])[],
  random: () => number,
): Promise<Opened> {
  return await inTempFolder(async (folder) => {
    const [root, outside] = [join(folder, `store-${round}`), join(folder, 'outside')]
    copyStore(ours, root)
    mkdirSync(outside)
    const index = join(root, '_index')
    addLeftovers(index)
    const scene: Scene = { random, index, other: join(theirs, '_index'), outside }
    for (const [name, kind] of damages) (FILE_DAMAGE[kind] ?? NO_FILE[kind])?.(name, scene)
    const mayRefuse = damages.some(
      ([name, kind]) => ['lock', 'claim'].includes(name) || (name === 'owner' && kind in NO_FILE),
    )
    const before = { outside: lookAt(outside), root: lookAt(root, OWNERSHIP), bodies: filesUnder(root) }

    const violations = [...(await inspectIt(root))]
    const used = await useIt(root)
    const refusal = used instanceof Error ? used : undefined
    if (refusal) {
      if (!CisternError.is(refusal) || !mayRefuse) violations.push(`refused: ${refusal.stack}`)
      else if (lookAt(root, OWNERSHIP) !== before.root)
        violations.push(`refused (${refusal.message}), and files were touched`)
    }
    // Before anybody verified it: what is found sound then is suspect no more.
    const bodies = filesUnder(root)
    // What comes out of a processor is made anew from its source.
    const isDerived = (name: string) => bodies.includes(name.replace(/\.part$/, '.raw.part'))
    const gone = before.bodies.filter((name) => !bodies.includes(name) && !isDerived(name))
    if (used === 'suspect' && gone.length > 0) violations.push(`suspect, and yet ${gone.join(', ')} went`)
    const first = refusal
      ? undefined
      : await inTime(examine(root, historyOfFullStore(OURS), { ...FILMS_ALONE, isLossy: true }))
    const again = first && (await inTime(examine(root, historyOfFullStore(OURS), { ...FILMS_ALONE, isLossy: true })))
    violations.push(...(first?.violations ?? []), ...(again?.violations ?? []).map((found) => `again: ${found}`))
    // What the first life added stands in a journal of its own, not behind a tail that was cut.
    if (again?.suspect && !first?.suspect) violations.push('suspect at the second start, and not at the first')
    if (lookAt(outside) !== before.outside) violations.push('something outside the store was changed')
    return { suspect: first?.suspect ?? false, refused: refusal !== undefined, violations }
  }, copies)
}

/** Looking from outside says what it can, changes nothing, and fails with an error that has a name. */
async function inspectIt(root: string): Promise<string[]> {
  const before = lookAt(root)
  try {
    const seen = await inTime(inspectStore(root))
    for (const { asset } of [...seen.assets()]) for (const { key } of seen.resources(asset)) seen.stat(key)
    await inTime(seen.verify())
    await seen.close()
  } catch (error) {
    if (!CisternError.is(error)) return [`inspectStore: ${error instanceof Error ? error.stack : String(error)}`]
  }
  return lookAt(root) === before ? [] : ['inspectStore changed something']
}

/** Opens the store and all that is in it; gives why it cannot be opened. */
async function useIt(root: string): Promise<Error | 'suspect' | 'sound'> {
  try {
    const store = await inTime(AssetStore.open({ root, minFreeBytes: 0 }))
    for (const key of FILM_KEYS) {
      try {
        const reader = await store.open(key)
        reader.close()
      } catch (error) {
        if (!CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) throw error
      }
    }
    const { suspect } = store.recovery
    await store.close()
    return suspect ? 'suspect' : 'sound'
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Rejects when it hangs. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came of it in ${HANGS_MS} ms`)), HANGS_MS)
  })
  return await Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

/** Whole files of a version or with a feature that this code does not know: refused by that name, nothing touched. */
async function openNewer({ ours, copies }: Places, most: number | undefined): Promise<Outcome> {
  const violations: string[] = []
  const names = readdirSync(join(ours, '_index'))
    .filter((name) => /\.(bin|log)$/.test(name))
    .slice(0, most)
  const newer = [{ version: 2 }, { features: 1 }, { features: 2 ** 40 }]
  for (const name of names) {
    for (const kind of newer) {
      await inTempFolder(async (folder) => {
        const root = join(folder, 'store')
        copyStore(ours, root)
        const path = join(root, '_index', name)
        const bytes = readFileSync(path)
        const head = decodeHeader(bytes)
        if (!head) throw new Error(`${name} has no header`)
        writeFileSync(path, Buffer.concat([encodeHeader(head.header, kind), bytes.subarray(head.end)]))
        const before = lookAt(root)
        const isRefused = (error: unknown): boolean => CisternError.is(error, 'ERR_CISTERN_INDEX_VERSION')
        await AssetStore.open({ root }).then(
          async (store) => {
            violations.push(`${name} of ${JSON.stringify(kind)}: not refused`)
            await store.close()
          },
          (error: unknown) => isRefused(error) || violations.push(`${name} of ${JSON.stringify(kind)}: ${error}`),
        )
        // Looking needs no predecessor of what is whole.
        await inspectStore(root).then(
          (seen) => name.includes('.prev.') || violations.push(`${name} of ${JSON.stringify(kind)}: inspected ${seen}`),
          (error: unknown) => isRefused(error) || violations.push(`${name} of ${JSON.stringify(kind)}: ${error}`),
        )
        if (lookAt(root) !== before) violations.push(`${name} of ${JSON.stringify(kind)}: something was touched`)
      }, copies)
    }
  }
  return { rounds: names.length * newer.length, violations }
}
