import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { IntegrityCheck, parseIntegrity } from '#assets/integrity.js'
import { inPieces, randomBytes } from '../helpers/bytes.js'

const BYTES = randomBytes(7, 100_000)
const sri = (algorithm: string, bytes: Uint8Array = BYTES, encoding: 'base64' | 'base64url' = 'base64'): string =>
  `${algorithm}-${createHash(algorithm).update(bytes).digest(encoding)}`
const RIGHT = { sha256: sri('sha256'), sha384: sri('sha384'), sha512: sri('sha512') }
const WRONG = {
  sha256: sri('sha256', BYTES.subarray(1)),
  sha384: sri('sha384', BYTES.subarray(1)),
  sha512: sri('sha512', BYTES.subarray(1)),
}

function matches(integrity: string, bytes: Uint8Array<ArrayBuffer> = BYTES, size: number = 4096): boolean {
  const check = new IntegrityCheck(integrity)
  for (const piece of inPieces(bytes, size)) check.update(piece)
  return check.matches()
}

test('[core 28] integrity: each algorithm, in pieces of any size', () => {
  for (const integrity of Object.values(RIGHT))
    for (const size of [1, 4096, 1_000_000]) assert.ok(matches(integrity, BYTES, size))
  for (const integrity of Object.values(WRONG)) assert.ok(!matches(integrity))
  assert.ok(matches('sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', new Uint8Array(0)))
})

test('[core 28] integrity: any digest of the strongest algorithm counts, the weaker ones do not', () => {
  assert.ok(matches(`${WRONG.sha384} ${RIGHT.sha384}`))
  assert.ok(matches(`${RIGHT.sha512} ${WRONG.sha256}`))
  assert.ok(!matches(`${RIGHT.sha256} ${WRONG.sha512}`))
  assert.ok(!matches(`${WRONG.sha384}\n${RIGHT.sha256}`))
  assert.equal(parseIntegrity(Object.values(RIGHT).join(' ')).algorithm, 'sha512')
})

test('[core 28] integrity: spellings that the standard allows', () => {
  assert.ok(matches(`\t ${RIGHT.sha256}\r\n `))
  assert.ok(matches(`${RIGHT.sha256}?ct=application/x`))
  assert.ok(matches(RIGHT.sha256.replace('sha256', 'SHA256')))
  assert.ok(matches(RIGHT.sha256.replace(/=+$/, '')))
  assert.ok(matches(sri('sha384', BYTES, 'base64url')))
  assert.ok(matches(`sha3-whatever ${RIGHT.sha256}`))
})

test('[core 28] integrity: what is malformed, or would check nothing, is refused', () => {
  const digest = RIGHT.sha256.slice('sha256-'.length)
  const bad = [
    '',
    ' \n',
    'sha256',
    'sha256-',
    digest,
    `sha256:${digest}`,
    `sha256-${digest.slice(4)}`,
    `sha256-${digest}AAAA`,
    `sha256-${digest}=`,
    `sha256-${digest.slice(0, 20)}!${digest.slice(21)}`,
    `sha384-${digest}`,
    `${RIGHT.sha512} sha256-x`,
    `${RIGHT.sha256},${RIGHT.sha384}`,
    createHash('sha256').update(BYTES).digest('hex'),
    `sha256-${createHash('sha256').update(BYTES).digest('hex')}`,
    'md5-1B2M2Y8AsgTpgAmY7PhCfg==',
    `sha1-${createHash('sha1').update(BYTES).digest('base64')}`,
    `${RIGHT.sha256} `.repeat(1000),
  ]
  for (const integrity of bad) {
    assert.throws(
      () => new IntegrityCheck(integrity),
      { code: 'ERR_CISTERN_INVALID_OPTION', message: /^integrity (must|holds)/ },
      integrity,
    )
  }
  for (const value of [null, undefined, 7, {}, ['x']])
    assert.throws(() => parseIntegrity(value), { code: 'ERR_CISTERN_INVALID_OPTION' })
})

test('[core 28] integrity: the verdict can be asked again, and says what came', () => {
  const check = new IntegrityCheck(parseIntegrity(WRONG.sha256))
  check.update(BYTES)
  assert.equal(check.matches(), false)
  assert.equal(check.matches(), false)
  assert.equal(check.actual, RIGHT.sha256)
})
