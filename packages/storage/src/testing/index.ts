import { testFlights } from './flight-suite.js'
import { testLife } from './life-suite.js'
import type { ResourceSuite } from './rig.js'
import { testShared } from './shared-suite.js'
import { testStreams } from './stream-suite.js'
import { testWaits } from './wait-suite.js'
import { testWrites } from './write-suite.js'

export { type DriverFactory, GatedDriver, type ResourceSuite, Rig, type TestFunction } from './rig.js'

/**
 * What every `Driver` must pass under a `Resource`. Neutral of runners: hand it your runner's `test` and a factory of
 * empty drivers.
 *
 *     testResource({ test, factory: { name: 'S3', create: () => new S3Driver(bucket, randomUUID()) } })
 */
export function testResource(suite: ResourceSuite): void {
  const test: ResourceSuite['test'] = (title, body) => suite.test(`${suite.factory.name}: ${title}`, body)
  const named = { ...suite, test }
  testLife(named)
  testWaits(named)
  testWrites(named)
  testFlights(named)
  testStreams(named)
  testShared(named)
}
