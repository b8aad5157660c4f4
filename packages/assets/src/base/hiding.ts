import type { ActiveSlot, CommittedSlot, Entry } from '../index/entry.js'
import { Pace } from '../index/pace.js'
import type { Stray } from '../index/record.js'
import type { HiddenAsset } from '../index/records.js'
import { ResourceKey } from '../key.js'
import type { BaseCore } from './base-core.js'
import { rawGeneration } from './live-generation.js'

/** Names of one removal record: well below a frame. */
const RECORD_LETTERS = 64 * 1024

/**
 * Hides all of some keys of one asset in this very step, open or at rest, and records it: nobody sees half of it.
 * Returns the files to sweep, `undefined` when there was nothing.
 */
export function hideKeys(core: BaseCore, keys: readonly ResourceKey[]): Stray[] | undefined {
  const removal = new Removal(core)
  for (const key of keys) removal.add(key)
  return removal.finish()
}

/**
 * Hides what is committed under a key, open or at rest, and records it; whoever fills or rewrites the key goes on.
 * Returns the files to sweep. Without `sweeps`, they are left where they are.
 */
export function hideCommitted(core: BaseCore, key: ResourceKey, sweeps = true): Stray[] {
  const { records, keys, sweeper } = core
  const { asset, path } = key
  const entry = records.entry(key)
  const state = keys.known(key)
  const live = state?.committed
  const slot = entry?.committed
  const generation = live?.generation ?? slot?.generation
  if (generation === undefined) return []
  const strays = live ? live.files : slot ? filesOf(core, key, slot) : []
  sweeper.hide(asset, generation, live?.stored ?? slot?.length ?? 0)
  for (const replaced of live?.replaces.splice(0) ?? core.takeReplaced(generation)) sweeper.join(replaced, generation)
  if (live) live.stage = 'gone'
  records.record({
    type: 'entry',
    asset,
    path,
    committed: undefined,
    active: entry?.active,
    strays: sweeps ? strays : [],
  })
  if (state && live) core.end(state, live)
  if (state) core.show(state)
  records.gone(key, generation)
  return strays
}

/**
 * Hides all of an asset in this very step, and records it. What is open of it ends at once; what is at rest leaves the
 * index bit by bit, since there may be very much of it. Resolves with the files to sweep; `undefined` when nothing was there.
 */
export function hideAsset(core: BaseCore, asset: string): Promise<Stray[]> | undefined {
  const { records, keys } = core
  if (records.pinned(asset)) records.record({ type: 'pin', asset, pinned: false })
  const removal = new Removal(core)
  for (const state of keys.of(asset)) if (state.generations().length > 0) removal.add(state.key)
  removal.record()
  const hidden = records.hideAsset(asset)
  if (hidden === undefined) {
    const strays = removal.finish()
    return strays && Promise.resolve(strays)
  }
  const removed = removeHidden(asset, hidden, removal)
  core.leaving.set(asset, removed)
  const left = (): void => void core.leaving.delete(asset)
  removed.then(left, left)
  return removed
}

async function removeHidden(asset: string, hidden: HiddenAsset, removal: Removal): Promise<Stray[]> {
  const pace = new Pace()
  try {
    for (const entries of hidden.leaves()) {
      for (const entry of entries) removal.add(ResourceKey.of(asset, entry.path), entry)
      removal.record()
      if (pace.due) await pace.rest()
    }
  } finally {
    hidden.done()
  }
  return removal.finish() ?? []
}

class Removal {
  readonly #core: BaseCore
  readonly #all: Stray[] = []
  #found = false
  #asset = ''
  #paths: string[] = []
  #strays: Stray[] = []
  #letters = 0

  constructor(core: BaseCore) {
    this.#core = core
  }

  add(key: ResourceKey, entry: Entry | undefined = this.#core.records.entry(key)): void {
    const { records, keys, sweeper } = this.#core
    const state = keys.known(key)
    const lives = state?.generations() ?? []
    if (entry === undefined && lives.length === 0) return
    const visible = state?.visible?.generation ?? entry?.committed?.generation ?? entry?.active?.generation
    const strays = new Map<string, Stray>()
    for (const live of lives) {
      for (const file of live.files) strays.set(file.generation, file)
      sweeper.hide(key.asset, live.generation, live.stored)
      live.stage = 'gone'
    }
    for (const slot of [entry?.committed, entry?.active]) {
      if (slot === undefined || strays.has(slot.generation)) continue
      for (const stray of filesOf(this.#core, key, slot)) strays.set(stray.generation, stray)
      if (!sweeper.isHidden(slot.generation))
        sweeper.hide(key.asset, slot.generation, isCommitted(slot) ? slot.length : slot.source.size)
      for (const generation of this.#core.takeReplaced(slot.generation)) sweeper.join(generation, slot.generation)
    }
    for (const live of lives)
      for (const generation of live.replaces.splice(0))
        if (!strays.has(generation)) sweeper.join(generation, live.generation)
    this.#name(key, [...strays.values()])
    for (const live of lives) if (state) this.#core.end(state, live)
    if (state) this.#core.show(state)
    for (const generation of new Set([visible, ...lives.map((live) => live.generation)]))
      if (generation) records.gone(key, generation)
  }

  finish(): Stray[] | undefined {
    this.record()
    return this.#found ? this.#all : undefined
  }

  #name({ asset, path }: ResourceKey, strays: readonly Stray[]): void {
    this.#found = true
    this.#asset = asset
    this.#paths.push(path)
    this.#all.push(...strays)
    this.#strays.push(...strays)
    this.#letters += path.length + strays.reduce((sum, stray) => sum + stray.path.length + stray.name.length + 64, 0)
    if (this.#letters > RECORD_LETTERS) this.record()
  }

  /** Until then, what was added is still on record. */
  record(): void {
    if (this.#paths.length === 0) return
    this.#core.records.record({ type: 'remove', asset: this.#asset, paths: this.#paths, strays: this.#strays })
    this.#paths = []
    this.#strays = []
    this.#letters = 0
  }
}

const isCommitted = (slot: CommittedSlot | ActiveSlot): slot is CommittedSlot => 'checksums' in slot

/** Files of a generation that is not open. */
function filesOf(core: BaseCore, { asset, path }: ResourceKey, slot: CommittedSlot | ActiveSlot): Stray[] {
  const { name, generation, fingerprint } = slot
  const published = isCommitted(slot)
  const isRenamed = published && fingerprint !== undefined && core.isOfSession(generation)
  const stray = { asset, path, name, generation, published, isRenamed }
  if (isCommitted(slot) || slot.processor === undefined) return [stray]
  return [stray, { ...stray, generation: rawGeneration(generation) }]
}
