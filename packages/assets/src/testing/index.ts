import { testCache } from './cache-suite.js'
import { testEvents } from './event-suite.js'
import { testEviction } from './evict-suite.js'
import { testKeys } from './key-suite.js'
import { testLeases } from './lease-suite.js'
import { testLife } from './life-suite.js'
import { testOptions } from './option-suite.js'
import { testPut } from './put-suite.js'
import { testReading } from './reading-suite.js'
import { testRemoval } from './remove-suite.js'
import { testRewriting } from './rewrite-suite.js'
import { testSharing } from './sharing-suite.js'
import { type AssetStoreSuite, Suite } from './suite.js'

export type {
  AssetStoreSuite,
  LayerName,
  StoreCapabilities,
  StoreFactory,
  StorePlace,
  TestFunction,
} from './suite.js'

/**
 * What every store must pass: over your own backend, with your own layers, in your own order. Neutral of runners: hand
 * it your runner's `test` and a factory of empty places.
 *
 *     testAssetStore({
 *       test,
 *       factory: { name: 'S3', create: async () => new BucketPlace(await emptyBucket()) },
 *       capabilities: { survivesReopening: true, sparse: true },
 *     })
 */
export function testAssetStore(suite: AssetStoreSuite): void {
  const parts = new Suite(suite)
  testLife(parts)
  testReading(parts)
  testSharing(parts)
  testKeys(parts)
  testCache(parts)
  testLeases(parts)
  testEviction(parts)
  testRemoval(parts)
  testRewriting(parts)
  testPut(parts)
  testEvents(parts)
  testOptions(parts)
}
