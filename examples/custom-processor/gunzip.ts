// Any Node transform stream makes a processor.
import { createGunzip } from 'node:zlib'
import { fingerprint, fromTransform, type Processor } from '@cistern/assets'

/** Stores what was gzipped as what it was. A stream that is cut short or damaged is never committed. */
export function gunzip(): Processor {
  return fromTransform(fingerprint('gunzip'), () => createGunzip())
}
