import type { Layer } from '../types.js'

/** One layer of many: `compose(a, b)` wraps as `a` around `b` around what it is given. None gives what it is given. */
export function compose(...outermostFirst: readonly Layer[]): Layer {
  return (inner, context) => outermostFirst.reduceRight((wrapped, layer) => layer(wrapped, context), inner)
}
