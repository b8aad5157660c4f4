import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  encodeFrame,
  encodeFrames,
  FRAME_OVERHEAD,
  type Frame,
  FrameScanner,
  MAX_PAYLOAD,
  scanFrames,
} from '#assets/index/frame.js'
import { decodeHeader, encodeHeader } from '#assets/index/header.js'
import fc from '../../helpers/fast-check.js'
import { headerOf, hex, otherStoreId, storeId } from './fixtures.js'

const scope = { storeId, number: 3 }
const shown = (frames: readonly Frame[]) => frames.map(({ sequence, payload }) => `${sequence}:${hex(payload)}`)
const framesOf = (...texts: string[]): Frame[] =>
  texts.map((text, i) => ({ sequence: i + 1, payload: Buffer.from(text) }))

/** A magic word inside a payload must not mislead the search. */
const MAGIC = encodeFrame(scope, 1, new Uint8Array()).subarray(0, 4)

const someFrames = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.uint8Array({ maxLength: 300 }), fc.boolean()), {
    maxLength: 12,
  })
  .map((parts) => {
    let sequence = 0
    return parts.map(([step, bytes, tricky]): Frame => {
      sequence += step
      return { sequence, payload: tricky ? Buffer.concat([bytes, MAGIC, bytes]) : bytes }
    })
  })

describe('frames', () => {
  it('come back as they were written, behind any offset', () => {
    fc.assert(
      fc.property(someFrames, fc.nat(40), (frames, offset) => {
        const bytes = Buffer.concat([Buffer.alloc(offset, 0xc1), encodeFrames(scope, frames)])
        const scan = scanFrames(bytes, offset, scope)
        assert.deepEqual(shown(scan.frames), shown(frames))
        assert.equal(scan.damage, 'none')
        assert.equal(scan.end, bytes.length)
      }),
    )
  })

  it('give views on what was scanned, not copies', () => {
    const bytes = encodeFrame(scope, 1, Buffer.from('abc'))
    assert.equal(scanFrames(bytes, 0, scope).frames[0]?.payload.buffer, bytes.buffer)
  })

  it('hold no more than MAX_PAYLOAD, and a whole number up to 2^52 as sequence', () => {
    const largest = encodeFrame(scope, 2 ** 52, new Uint8Array(MAX_PAYLOAD))
    const [frame] = scanFrames(largest, 0, scope).frames
    assert.equal(frame?.sequence, 2 ** 52)
    assert.equal(frame.payload.length, MAX_PAYLOAD)
    assert.throws(() => encodeFrame(scope, 1, new Uint8Array(MAX_PAYLOAD + 1)), RangeError)
    for (const wrong of [-1, 0.5, NaN, 2 ** 52 + 1])
      assert.throws(() => encodeFrame(scope, wrong, new Uint8Array()), RangeError)
    assert.throws(() => encodeFrame({ storeId: new Uint8Array(15), number: 1 }, 1, new Uint8Array()), RangeError)
  })

  it('of another store or another file are none', () => {
    const bytes = encodeFrames(scope, framesOf('a', 'b'))
    for (const foreign of [
      { storeId: otherStoreId, number: 3 },
      { storeId, number: 4 },
      { storeId, number: 3 + 2 ** 32 },
    ]) {
      assert.deepEqual(scanFrames(bytes, 0, foreign), { frames: [], end: 0, damage: 'tail' })
    }
  })

  it('cut at any length lose only the one that was cut', () => {
    const frames = framesOf('first', '', 'third one')
    const bytes = encodeFrames(scope, frames)
    const ends = frames.map((_, i) => encodeFrames(scope, frames.slice(0, i + 1)).length)
    for (let length = 0; length <= bytes.length; length++) {
      const scan = scanFrames(bytes.subarray(0, length), 0, scope)
      const left = ends.filter((end) => end <= length)
      assert.deepEqual(shown(scan.frames), shown(frames.slice(0, left.length)), `cut at ${length}`)
      assert.equal(scan.end, left.at(-1) ?? 0)
      assert.equal(scan.damage, scan.end === length ? 'none' : 'tail', `cut at ${length}`)
    }
  })

  it('with any byte flipped lose only the one it is in', () => {
    const frames = framesOf('first', '', 'third one')
    const bytes = encodeFrames(scope, frames)
    let hit = 0
    let begin = 0
    for (let at = 0; at < bytes.length; at++) {
      if (at === begin + FRAME_OVERHEAD + (frames[hit]?.payload.length ?? 0)) {
        begin = at
        hit++
      }
      for (const mask of [0x01, 0x80, 0xff]) {
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] ?? 0) ^ mask
        const scan = scanFrames(flipped, 0, scope)
        assert.deepEqual(shown(scan.frames), shown(frames.filter((_, i) => i !== hit)), `byte ${at} ^ ${mask}`)
        assert.equal(scan.damage, hit === frames.length - 1 ? 'tail' : 'middle', `byte ${at} ^ ${mask}`)
      }
    }
  })

  it('are found behind garbage, also garbage made of magic words', () => {
    fc.assert(
      fc.property(
        someFrames,
        someFrames,
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.nat(5),
        (a, b, noise, magics) => {
          const lead = a.at(-1)?.sequence ?? 0
          const later = b.map(({ sequence, payload }) => ({ sequence: sequence + lead, payload }))
          const garbage = Buffer.concat([noise, ...Array<Uint8Array>(magics).fill(MAGIC)])
          const bytes = Buffer.concat([encodeFrames(scope, a), garbage, encodeFrames(scope, later)])
          const scan = scanFrames(bytes, 0, scope)
          assert.deepEqual(shown(scan.frames), shown([...a, ...later]))
          assert.equal(scan.damage, later.length === 0 ? 'tail' : 'middle')
        },
      ),
    )
  })

  it('copied into the payload of a damaged one are not taken for frames again', () => {
    const first = encodeFrame(scope, 1, Buffer.from('old'))
    const copy = encodeFrame(scope, 2, Buffer.concat([Buffer.from('holds a copy'), first]))
    copy[FRAME_OVERHEAD] = 0
    const scan = scanFrames(Buffer.concat([first, copy, encodeFrame(scope, 3, Buffer.from('new'))]), 0, scope)
    assert.deepEqual(
      scan.frames.map(({ sequence }) => sequence),
      [1, 3],
    )
    assert.equal(scan.damage, 'middle')
  })

  it('are the same whatever pieces they come in', () => {
    fc.assert(
      fc.property(
        someFrames,
        fc.uint8Array({ maxLength: 60 }),
        fc.integer({ min: 1, max: 200 }),
        (frames, noise, size) => {
          const half = frames.length >> 1
          const bytes = Buffer.concat([
            encodeFrames(scope, frames.slice(0, half)),
            noise,
            encodeFrames(scope, frames.slice(half)),
          ])
          const scanner = new FrameScanner(scope)
          const found: Frame[] = []
          let at = 0
          for (let until = 0; until < bytes.length; ) {
            until = Math.min(until + size, bytes.length)
            at = scanner.take(bytes.subarray(0, until), at, until === bytes.length, found)
          }
          const whole = scanFrames(bytes, 0, scope)
          assert.deepEqual(shown(found), shown(whole.frames))
          assert.equal(scanner.damage, whole.damage)
        },
      ),
    )
  })

  it('behind garbage are found wherever a piece ends', () => {
    const bytes = Buffer.concat([Buffer.alloc(40, 7), encodeFrame(scope, 1, Buffer.from('abc'))])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scanner = new FrameScanner(scope)
      const found: Frame[] = []
      const at = scanner.take(bytes.subarray(0, cut), 0, false, found)
      scanner.take(bytes, at, true, found)
      assert.equal(found.length, 1, `cut at ${cut}`)
    }
  })

  it('of a length that none has are not waited for', () => {
    const bytes = Buffer.from(encodeFrame(scope, 1, Buffer.from('abc')))
    bytes.writeUInt32BE(MAX_PAYLOAD + 1, 12)
    const scanner = new FrameScanner(scope)
    assert.ok(scanner.take(bytes, 0, false, []) > 0)
  })

  it('made to cost a checksum at every magic word are given up on, as damage', () => {
    const trap = Buffer.alloc(FRAME_OVERHEAD)
    trap.set(MAGIC)
    trap.writeUInt32BE(MAX_PAYLOAD, 12)
    const bytes = Buffer.alloc(2 * 1024 * 1024, trap)
    const scan = scanFrames(bytes, 0, scope)
    assert.deepEqual(scan, { frames: [], end: 0, damage: 'middle' })
  })
})

describe('file headers', () => {
  const header = headerOf('journal', 2 ** 40, { sequence: 12, predecessor: { number: 6, sequence: 12 } })

  it('come back as they were written, with or without a predecessor', () => {
    const bytes = encodeHeader(header)
    assert.deepEqual(decodeHeader(Buffer.concat([bytes, Buffer.from('frames')])), { header, end: bytes.length })
    const first = headerOf('cov', 0)
    assert.deepEqual(decodeHeader(encodeHeader(first))?.header, first)
  })

  it('cut anywhere or with any byte flipped are damage', () => {
    const bytes = encodeHeader(header)
    for (let at = 0; at < bytes.length; at++) {
      assert.equal(decodeHeader(bytes.subarray(0, at)), undefined, `cut at ${at}`)
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      assert.equal(decodeHeader(flipped), undefined, `byte ${at}`)
    }
  })

  it('of an unknown version or feature are refused, naming file and version [core 54]', () => {
    const refused = (bytes: Uint8Array, message: RegExp) =>
      assert.throws(() => decodeHeader(bytes, '/cache/_index/cov.bin'), { code: 'ERR_CISTERN_INDEX_VERSION', message })
    refused(encodeHeader(header, { version: 7 }), /_index\/cov\.bin.*version 7/)
    refused(encodeHeader(header, { features: 4 }), /_index\/cov\.bin.*features 4/)
    refused(encodeHeader(header, { features: 2 ** 40 }), /features/)
  })

  it('that say nothing sensible are not written', () => {
    assert.throws(() => encodeHeader({ ...header, storeId: new Uint8Array(3) }), TypeError)
    assert.throws(() => encodeHeader({ ...header, number: 0.5 }), TypeError)
    assert.throws(() => encodeHeader({ ...header, session: 'x'.repeat(5000) }), RangeError)
  })
})
