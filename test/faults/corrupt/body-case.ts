import { lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AssetStore, CisternError, type Durability, type ResourceReader } from '@cistern/assets'
import { BODIES, type Body, BYSTANDER, fileOf, type Gaps, refill, store } from './bodies.js'
import { BLOCK, BODY_DAMAGE, type BodyDamage } from './body-damage.js'
import { lookAt } from './copies.js'

export interface BodyCase {
  readonly body: string
  readonly damage: string
  /** What the store is at meanwhile: not there, with an idle handle, with an open reader. */
  readonly meanwhile: 'closed' | 'idle' | 'reading'
  /** What comes first afterwards: somebody reads, or `verify` repairs. */
  readonly then: 'open' | 'repair'
  readonly durability: Durability
}

/** Damages one file of a store made for it, and tells what was wrong with what came of that. */
export async function damageOne(folder: string, the: BodyCase): Promise<string[]> {
  const [root, outside] = [join(folder, 'store'), join(folder, 'outside')]
  mkdirSync(outside)
  const attack = new Attack(root, the)
  await attack.prepare()
  const path = fileOf(root, attack.body)
  attack.damage.do(path, outside)
  const before = { outside: lookAt(outside), file: shown(path) }
  try {
    await attack.reopen()
    if (the.then === 'open') await attack.read()
    else await attack.look()
    // What is not what the record says may be somebody's: only a repair, or what is written in its place, may take it away.
    if (shown(path) !== before.file) attack.violations.push('its file was changed or deleted by who only looked')
    if (the.then === 'repair') await attack.repair()
    await attack.refill()
    await attack.readAgain()
    if (lookAt(outside) !== before.outside) attack.violations.push('something outside the store was changed')
  } finally {
    await attack.end()
  }
  return attack.violations
}

class Attack {
  readonly violations: string[] = []
  readonly body: Body
  readonly damage: BodyDamage
  readonly #the: BodyCase
  readonly #root: string
  #store: AssetStore | undefined
  #reader: ResourceReader | undefined

  constructor(root: string, the: BodyCase) {
    this.#root = root
    this.#the = the
    this.body = BODIES[the.body] as Body // the caller chooses one of them
    this.damage = BODY_DAMAGE[the.damage] as BodyDamage // likewise
  }

  get #open(): AssetStore {
    if (!this.#store) throw new Error('the store is not open')
    return this.#store
  }

  /** Bytes that are changed under an open handle are seen by who checks, and not by who has it open. */
  get #isTrusted(): boolean {
    return !(this.damage.inPlace && this.#the.meanwhile !== 'closed')
  }

  /** Neither length nor time tell, and nothing says that it was never synced. */
  get #isUnnoticed(): boolean {
    return this.damage.isSilent === true && this.#the.durability !== 'relaxed'
  }

  async prepare(): Promise<void> {
    await this.reopen()
    await store(this.#open, BYSTANDER)
    await store(this.#open, this.body)
    await this.#open.checkpoint()
    if (this.#the.meanwhile === 'closed') return await this.#close()
    const isReadable = this.body.isCommitted || !this.body.processor
    if (!isReadable) return
    const reader = await this.#open.open(this.body.key)
    await reader.readAt(0, new Uint8Array(100))
    if (this.#the.meanwhile === 'reading') this.#reader = reader
    else reader.close()
  }

  async reopen(): Promise<void> {
    const { durability } = this.#the
    this.#store ??= await AssetStore.open({ root: this.#root, minFreeBytes: 0, durability })
  }

  async end(): Promise<void> {
    this.#reader?.close()
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
  }

  /** As somebody does who knows nothing of it. */
  async read(): Promise<void> {
    const { key, processor, isCommitted, content } = this.body
    if (!isCommitted && processor) return
    const verify = this.#isUnnoticed && isCommitted
    const got = await this.#tried('open', async () => await this.#open.open(key, { verify }))
    if (!got) {
      // An idle handle has the file itself: whatever takes its name takes nothing from it.
      const mayBeAbsent = this.damage.left !== 'all' && (isCommitted || this.damage.left === 'none')
      if (!mayBeAbsent) this.violations.push('nothing is there, although its bytes are')
      return
    }
    using reader = got
    const isSeen = this.#isTrusted && !(this.#isUnnoticed && !verify)
    if (isSeen && isCommitted && this.damage.inPlace && this.damage.left !== 'all')
      this.violations.push('it is handed out as if nothing had happened')
    for (const { start, end } of [...reader.coverage]) {
      const bytes = await this.#tried('read', () => reader.bytes({ start, end }))
      if (bytes && isSeen && !isSame(bytes, content.subarray(start, end)))
        this.violations.push(`[${start}, ${end}) is served, and is not what was written`)
    }
  }

  /** `verify` tells what is wrong, and changes nothing. */
  async look(): Promise<void> {
    const { badBlocks, missing } = await this.#open.verify()
    const wanted = this.#findings()
    if (badBlocks !== wanted.badBlocks || missing !== wanted.missing)
      this.violations.push(
        `verify found ${badBlocks} bad blocks and ${missing} missing, not ${wanted.badBlocks} and ${wanted.missing}`,
      )
  }

  #findings(): { readonly badBlocks: number; readonly missing: number } {
    const { isCommitted, stored } = this.body
    switch (this.damage.left) {
      case 'all':
        return { badBlocks: 0, missing: 0 }
      case 'block':
        return { badBlocks: 1, missing: 0 }
      case 'cut':
        return { badBlocks: 0, missing: 1 }
      case 'more': // of an unfinished one more may be there than is recorded
        return { badBlocks: 0, missing: isCommitted ? 1 : 0 }
      case 'none':
        return this.#the.damage.startsWith('replaced')
          ? { badBlocks: Math.ceil(stored / BLOCK), missing: 0 }
          : { badBlocks: 0, missing: 1 }
    }
  }

  async repair(): Promise<void> {
    await this.#tried('repair', () => this.#open.verify({ repair: true }))
    const { badBlocks, missing } = await this.#open.verify()
    if (badBlocks + missing > 0)
      this.violations.push(`after the repair, ${badBlocks} blocks are bad, ${missing} missing`)
    // Who reads on reads what was written, or is told.
    const reader = this.#reader
    const first = reader && (await this.#tried('read on', () => reader.bytes({ start: 0, end: 1_000 })))
    if (first && !isSame(first, this.body.content.subarray(0, 1_000)) && this.damage.left !== 'cut')
      this.violations.push('who reads on gets what was not written')
  }

  /** Only what is bad is asked for again. */
  async refill(): Promise<void> {
    // Before a repair, bytes that were changed behind an open handle are taken for what they were.
    if (this.#the.then === 'open' && (!this.#isTrusted || this.#isUnnoticed) && this.damage.left !== 'all')
      await this.repair()
    const gaps = await this.#tried('refill', () => refill(this.#open, this.body))
    const wanted = this.#wantedGaps()
    // Handles that are still open have the file that was damaged, not what took its name.
    const isHeld = this.#the.meanwhile !== 'closed' && !this.damage.inPlace
    if (wanted && !isHeld && JSON.stringify(gaps ?? []) !== JSON.stringify(wanted))
      this.violations.push(`asked for ${JSON.stringify(gaps)}, where ${JSON.stringify(wanted)} was missing`)
  }

  /** `undefined`: that depends on what happened before. */
  #wantedGaps(): Gaps | undefined {
    const { isCommitted, processor, source, stored } = this.body
    const all: Gaps = [[0, source.length]]
    const rest: Gaps = stored < source.length ? [[stored, source.length]] : []
    if (this.damage.left === 'all') return rest
    const isRepaired = this.#the.then === 'repair'
    if (isCommitted && (processor || !isRepaired)) return this.#isTrusted && !this.#isUnnoticed ? all : undefined
    switch (this.damage.left) {
      case 'block':
        return this.#the.then === 'repair' || this.#isTrusted ? [[BLOCK, 2 * BLOCK], ...rest] : undefined
      case 'more':
        return isCommitted ? undefined : rest
      default:
        return undefined
    }
  }

  async readAgain(): Promise<void> {
    this.#reader?.close()
    await this.#holds('at once')
    await this.#close()
    await this.reopen()
    await this.#tried('refill again', () => refill(this.#open, this.body))
    await this.#holds('opened again')
    const { badBlocks, missing } = await this.#open.verify()
    if (badBlocks + missing > 0) this.violations.push(`in the end, ${badBlocks} blocks are bad and ${missing} missing`)
  }

  async #holds(when: string): Promise<void> {
    for (const { key, content } of [this.body, BYSTANDER]) {
      const bytes = await this.#open.get(key)
      if (!bytes || !isSame(bytes, content))
        this.violations.push(`${key.id}, ${when}: ${bytes ? 'not what was written' : 'not there'}`)
    }
  }

  /** What may fail, and then with an error that has a name. */
  async #tried<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!CisternError.is(error))
        this.violations.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`)
      return undefined
    }
  }
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

/** What is at a path, so that two looks tell whether it is the same. */
function shown(path: string): string {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stat ? `${stat.mode} ${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'nothing'
}
