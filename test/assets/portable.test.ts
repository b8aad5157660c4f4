import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResourceKey } from '#assets/key.js'
import { portable, unportable } from '#assets/portable.js'
import fc from '../helpers/fast-check.js'

/** Name and component. */
const TABLE: readonly (readonly [name: string, component: string])[] = [
  ['film.mp4', 'film.mp4'],
  ['Film_7-a+b=c@d,e', 'Film_7-a+b=c@d,e'],
  ['a b', 'a%20b'],
  ['a/b', 'a%2Fb'],
  ['a\\b', 'a%5Cb'],
  ['a\0', 'a%00'],
  ['é', '%C3%A9'],
  ['🎬', '%F0%9F%8E%AC'],
  ['100%', '100%25'],
  ['%41', '%2541'],
  ['a~b', 'a%7Eb'],
  ['', '%'],
  ['%', '%25'],
  ['.', '%2E'],
  ['..', '.%2E'],
  ['...', '..%2E'],
  ['a.', 'a%2E'],
  ['a ', 'a%20'],
  ['con', '%63on'],
  ['CON', '%43ON'],
  ['nul.txt', '%6Eul.txt'],
  ['nul.', 'nul%2E'],
  ['conin$', 'conin%24'],
  ['film.part', 'film%2Epart'],
  ['.PART', '%2EPART'],
  ['nul.part', 'nul%2Epart'],
  ['_index', '%5Findex'],
  ['_INDEX.bak', '%5FINDEX.bak'],
  ['x'.repeat(96), 'x'.repeat(96)],
]

test('[core 19] portable: a table of names, there and back', () => {
  for (const [name, component] of TABLE) {
    assert.equal(portable(name), component)
    assert.equal(unportable(component), name)
    ResourceKey.of(component, component)
  }
})

test('[core 19] portable: long names and half surrogates are cut, end in a fingerprint, keep their extension', () => {
  assert.match(portable('x'.repeat(97)), /^x+~[0-9a-f]{32}$/)
  assert.match(portable(`${'x'.repeat(200)}.mp4`), /^x+~[0-9a-f]{32}\.mp4$/)
  assert.match(portable(`${'x'.repeat(200)}.part`), /^x+~[0-9a-f]{32}$/)
  assert.match(portable('é'.repeat(17)), /^(%C3%A9)+(%C3)?~[0-9a-f]{32}$/)
  assert.match(portable(`x${'é'.repeat(40)}`), /^x(%[0-9A-F]{2})+~[0-9a-f]{32}$/) // no escape is cut in two
  assert.match(portable('half\ud800.ts'), /^half%EF%BF%BD~[0-9a-f]{32}\.ts$/)
  assert.equal(portable('x'.repeat(10_000)).length, 96)
  assert.equal(unportable(portable('x'.repeat(97))), undefined)
  const near = [
    'x'.repeat(97),
    'x'.repeat(98),
    `${'x'.repeat(97)}y`,
    'é'.repeat(17),
    'é'.repeat(18),
    '\ud800',
    '\ud801',
    '\udc00',
    '\ufffd',
  ]
  assert.equal(new Set(near.map(portable)).size, near.length)
})

test('[core 19] portable: unportable knows only what portable gives', () => {
  for (const component of [
    '%41',
    '%c3%a9',
    'a%',
    '%zz',
    '%FF',
    'a~b',
    '~',
    'a b',
    'con',
    'a.',
    '..',
    '%2541%',
    'x'.repeat(97),
    '%63om',
  ]) {
    assert.equal(unportable(component), undefined, component)
  }
})

const nasty = fc.string({
  unit: fc.constantFrom(
    ...'aA.%~_ /\\é🎬',
    'con',
    '.part',
    '_index',
    'nul',
    'COM1',
    '25',
    '7E',
    '\ud800',
    '\udc00',
    '\0',
  ),
  maxLength: 40,
})
const names = fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 120 }), fc.string({ maxLength: 120 }))

test('[core 19] portable: any string becomes a legal component, which comes back where it was not cut', () => {
  fc.assert(
    fc.property(names, (name) => {
      const component = portable(name)
      ResourceKey.of(component, component)
      assert.equal(unportable(component), component.includes('~') ? undefined : name)
    }),
    { numRuns: 5000 },
  )
})

test('[core 19] portable: two names never meet, and what differs in more than case still does without it', () => {
  fc.assert(
    fc.property(nasty, nasty, (one, other) => {
      if (one === other) return
      assert.notEqual(portable(one), portable(other))
      if (folded(one) !== folded(other)) assert.notEqual(folded(portable(one)), folded(portable(other)))
    }),
    { numRuns: 5000 },
  )
})

/** As a file system that does not tell case sees ASCII letters. */
function folded(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
