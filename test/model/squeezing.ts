import type { EvictReason, Limits } from '@cistern/assets'
import type { Model } from './model.js'
import { assetOf } from './operations.js'

/** Eviction for bytes goes on down to this share of the limit. */
const LOW_SHARE = 0.9

export interface Squeezed {
  /** As they are to go: the ones used longest ago. Order among them is not promised, as they go at once. */
  readonly victims: readonly string[]
  readonly refused: boolean
}

/** What of `asset` comes while the limit is in force. */
export interface Coming {
  readonly asset: string
  readonly bytes: number
}

/**
 * Takes out of `model` what a limit drives out: least recently used first, and nothing that `keeps` says is pinned, leased or
 * being written. What is coming is refused when it does not fit all the same.
 */
export function squeeze(model: Model, limits: Limits, keeps: (asset: string) => boolean, coming?: Coming): Squeezed {
  const { maxAssets, maxBytes } = limits
  const victims: string[] = []
  const drop = (victim: string): void => {
    victims.push(victim)
    for (const key of model.keysOf(victim)) model.remove(key)
  }
  const evictable = (): string[] => model.assets.filter((asset) => !keeps(asset))
  let refused = false
  if (maxAssets !== undefined) {
    const isNew = coming !== undefined && !model.assets.includes(coming.asset)
    const count = (): number => countAssets(model, coming?.asset)
    for (const victim of evictable()) if (count() > maxAssets) drop(victim)
    refused = isNew && count() > maxAssets
  }
  if (maxBytes !== undefined) {
    const need = coming?.bytes ?? 0
    const staying = sum(model, heldAssets(model).filter(keeps))
    if (need > 0 && staying + need > maxBytes) return { victims, refused: true } // in vain: nothing goes for it
    const used = (): number => sum(model, heldAssets(model)) + need
    if (used() > maxBytes) {
      for (const victim of evictable()) if (used() > maxBytes * LOW_SHARE && model.bytesOf(victim) > 0) drop(victim)
    }
  }
  return { victims, refused }
}

export function reasonOf({ maxAssets }: Limits): EvictReason {
  return maxAssets === undefined ? 'bytes' : 'assets'
}

/** Those included that are written and not to be seen yet. */
function countAssets(model: Model, coming: string | undefined): number {
  const assets = new Set(model.assets)
  if (coming !== undefined) assets.add(coming)
  for (const asset of heldAssets(model)) {
    if (model.keysOf(asset).some((key) => model.generations(key).some((life) => life.writer))) assets.add(asset)
  }
  return assets.size
}

function heldAssets(model: Model): string[] {
  return [...new Set([...model.keys.keys()].map(assetOf))]
}

function sum(model: Model, assets: readonly string[]): number {
  return assets.reduce((bytes, asset) => bytes + model.bytesOf(asset), 0)
}
