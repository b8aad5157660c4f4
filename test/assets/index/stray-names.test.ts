import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StrayNames } from '#assets/index/stray-names.js'
import fc from '../../helpers/fast-check.js'

const component = fc.constantFrom('a', 'A', 'b', 'a~1')
const name = fc.array(component, { minLength: 1, maxLength: 3 }).map((components) => components.join('/'))
const stray = fc.record({ name, path: fc.constantFrom('a', 'b', 'a/b') })

test('a name is taken by the strays that have it, a folder above it or one below it, and by none of the same path', () => {
  fc.assert(
    fc.property(fc.array(stray), fc.nat(), name, fc.constantFrom('a', 'b'), (added, gone, asked, path) => {
      const names = new StrayNames()
      const strays = added.map((one) => ({ ...one, asset: 'asset', generation: '', published: false }))
      for (const one of strays) names.add(one)
      for (const one of strays.splice(0, gone)) names.delete(one)
      const lower = asked.toLowerCase()
      const isTaken = strays.some((other) => other.path !== path && collide(other.name.toLowerCase(), lower))
      assert.equal(names.isTaken(lower, path), isTaken)
    }),
  )
})

const collide = (one: string, other: string): boolean =>
  one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`)
