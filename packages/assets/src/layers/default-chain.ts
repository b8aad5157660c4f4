import { InvalidOptionError } from '@cistern/storage'
import { DEFAULTS } from '../options.js'
import type { DefaultLayers, Layer, StoreOptions } from '../types.js'
import { cached } from './cached.js'
import { compose } from './compose.js'
import { evict } from './evict.js'
import { lease } from './lease.js'
import { processing } from './processing.js'

/** The chain that `options` ask for, as one layer: lease, cached, processing, evict, unless `layers` says otherwise. */
export function chainOf({ cacheEntries = DEFAULTS.cacheEntries, layers }: StoreOptions): Layer {
  const defaults: DefaultLayers = { lease, cached: cached({ cacheEntries }), processing, evict }
  // Lease stands outside cached: idle readers must hold no lease.
  if (!layers) return compose(defaults.lease, defaults.cached, defaults.processing, defaults.evict)
  const chosen = layers(defaults)
  if (!Array.isArray(chosen) || !chosen.every((layer) => typeof layer === 'function')) {
    throw new InvalidOptionError("option 'layers' must give an array of layers, outermost first")
  }
  return compose(...chosen)
}
