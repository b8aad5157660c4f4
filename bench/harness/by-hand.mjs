// What one would write without a store: a temporary file that is renamed when it is whole.
import { closeSync, openSync, renameSync, writeSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { arriving } from './arriving.mjs'

/** @typedef {(piece: Uint8Array) => Uint8Array} Through What becomes of a piece before it is written. */

/**
 * One awaited FileHandle.write for each piece.
 * @param {string} path
 * @param {readonly Uint8Array[]} pieces
 * @param {Through} [through]
 * @param {() => Uint8Array} [last] What is written behind the last piece.
 */
export async function writeAwaited(path, pieces, through = (piece) => piece, last) {
  const handle = await open(`${path}.tmp`, 'wx')
  try {
    for await (const piece of arriving(pieces)) await handle.write(through(piece))
    if (last) await handle.write(last())
  } finally {
    await handle.close()
  }
  await rename(`${path}.tmp`, path)
}

/**
 * Nothing but the system calls: what the machine can do, while everything else waits.
 * @param {string} path
 * @param {readonly Uint8Array[]} pieces
 * @param {Through} [through]
 * @param {() => Uint8Array} [last]
 */
export function writeAtOnce(path, pieces, through = (piece) => piece, last) {
  const descriptor = openSync(`${path}.tmp`, 'wx')
  try {
    for (const piece of pieces) writeSync(descriptor, through(piece))
    if (last) writeSync(descriptor, last())
  } finally {
    closeSync(descriptor)
  }
  renameSync(`${path}.tmp`, path)
}
