import { test } from 'node:test'
import type { Action } from './actors.js'
import { exploreAll } from './explore.js'
import type { Operation } from './operations.js'
import { memory, onDisk } from './places.js'
import { runSequence } from './run.js'

/** Sequences that failed once, as small as they became, by what they broke. */
const SEQUENCES: Readonly<Record<string, readonly Operation[]>> = {
  'a reader of a removed generation is refused, and its descriptor closed, when the store closes': [
    { op: 'acquire', key: 0, mode: 'fill' },
    { op: 'write', at: 0, pieces: [[0, 2]] },
    { op: 'removeAsset', asset: 0 },
  ],
  'the bytes of the first resource of an asset are counted once it is on record': [{ op: 'put', key: 0, size: 1 }],
  'metadata that a writer set outlives what he discards': [
    { op: 'acquire', key: 0, mode: 'fill', meta: true },
    { op: 'discard', at: 0 },
  ],
  'bytes that a shorter commit cuts off are not counted any more': [
    { op: 'acquire', key: 2, mode: 'fill' },
    { op: 'write', at: 0, pieces: [[0, 8]] },
    { op: 'commit', at: 0, length: 2 },
  ],
  'what is committed is shown though an unfinished generation beside it is open': [
    { op: 'put', key: 1, size: 1 },
    { op: 'acquire', key: 4, mode: 'fill', length: 4 },
    { op: 'move', key: 1, to: 4 },
    { op: 'checkpoint' },
    { op: 'pause' },
  ],
  'a rewrite of what is not there is uncounted when it is released': [
    { op: 'acquire', key: 1, mode: 'extend' },
    { op: 'write', at: 0, pieces: [[0, 3]] },
    { op: 'close', at: 0 },
    { op: 'release', at: 0 },
  ],
  'a writer that discards keeps its new generation open though all readers of the old one leave': [
    { op: 'acquire', key: 2, mode: 'replace', length: 4 },
    { op: 'clone', at: 0 },
    { op: 'write', at: 0, pieces: [[0, 3]] },
    { op: 'read', at: 0 },
    { op: 'read', at: 1 },
    { op: 'discard', at: 0 },
  ],
  'a reader that another one closes as it leaves does not hold the generation after it': [
    { op: 'acquire', key: 2, mode: 'fill' },
    { op: 'write', at: 0, pieces: [[0, 3]] },
    { op: 'readAt', at: 0, slot: 0, size: 1 },
    { op: 'discard', at: 0 },
    { op: 'release', at: 0 },
  ],
  'stat speaks of one generation, after a restart too': [
    { op: 'acquire', key: 0, mode: 'fill' },
    { op: 'write', at: 0, pieces: [[3, 5]] },
    { op: 'put', key: 0, size: 2 },
    { op: 'reopen' },
  ],
  'a fill that brought nothing is not there after a restart': [{ op: 'acquire', key: 0, mode: 'fill' }],
  'what a moved generation was to replace goes with it, though it never came to that': [
    { op: 'put', key: 0, size: 6 },
    { op: 'put', key: 3, size: 7 },
    { op: 'move', key: 0, to: 3 },
    { op: 'move', key: 3, to: 0 },
    { op: 'verify' },
  ],
  'an extension that is cut shorter than what it began with is cut on disk': [
    { op: 'put', key: 0, size: 1 },
    { op: 'acquire', key: 0, mode: 'extend' },
    { op: 'commit', at: 0, length: 0 },
  ],
  'the last use of an asset that was empty for a while, and leased, is known after a restart': [
    { op: 'acquire', key: 3, mode: 'fill' },
    { op: 'write', at: 0, pieces: [[0, 1]] },
    { op: 'checkpoint' },
    { op: 'acquire', key: 0, mode: 'fill' },
    { op: 'write', at: 1, pieces: [[0, 1]] },
    { op: 'checkpoint' },
    { op: 'discard', at: 0 },
    { op: 'checkpoint' },
    { op: 'write', at: 0, pieces: [[0, 1]] },
  ],
  'a folder that goes while verify walks it is no failure': [
    { op: 'acquire', key: 4, mode: 'replace' },
    { op: 'write', at: 0, pieces: [[0, 4]] },
    { op: 'fail', at: 0 },
    { op: 'verify' },
  ],
}

for (const [title, operations] of Object.entries(SEQUENCES)) {
  test(`[core 56] ${title}`, async () => {
    // More than once: some depended on how far the flush had come.
    for (let turn = 0; turn < 20; turn++) await runSequence(memory, { scale: 100, operations })
    await onDisk((place) => runSequence(place, { scale: 100, operations }))
  })
}

/** The same for actions that met in an unlucky order. */
const ENCOUNTERS: Readonly<Record<string, readonly Action[]>> = {
  'who comes while a writer discards does not become a second writer': ['fill', 'fill', 'discardAndFill'],
  'what is there can be looked at while a writer discards': ['flush', 'discardAndFill'],
}

for (const [title, actions] of Object.entries(ENCOUNTERS)) {
  test(`[core 29] ${title}`, () => exploreAll(actions, 1000).then(() => undefined))
}
