// 2 MiB arriving in 64 KiB pieces, written and committed, against what one would write by hand: one awaited
// FileHandle.write per piece into a temporary file, then rename.
import { open, rename, rm } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import { compare } from './harness/compare.mjs'

const PIECE = 64 * 1024
const PIECES = 32
const RESOURCES = 16

/** @param {import('./harness/place.mjs').Place} place */
export default async function takeIn(place) {
  const pieces = Array.from({ length: PIECES }, (_, index) => Buffer.alloc(PIECE, index + 1))
  const plain = place.folder()
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  try {
    return [
      await compare({
        name: `${RESOURCES} × 2 MiB taken in as 64 KiB pieces and committed`,
        ratio: 'theirs/ours',
        target: { atLeast: 1.5 },
        ours: {
          name: 'AssetStore writeFrom + commit',
          run: () => takeInto(store, pieces),
          settle: () => store.removeAsset('asset').then(() => store.checkpoint()),
        },
        theirs: {
          name: 'FileHandle.write + rename',
          run: () => writeByHand(plain, pieces),
          settle: () => Promise.all(names().map((name) => rm(`${plain}/${name}`))),
        },
      }),
    ]
  } finally {
    await store.close()
  }
}

/**
 * @param {AssetStore} store
 * @param {readonly Uint8Array[]} pieces
 */
async function takeInto(store, pieces) {
  for (const name of names()) {
    const { writer, reader } = await store.asset('asset').acquire(name)
    if (!writer) throw new Error('the resource is there already')
    await writer.writeFrom(arriving(pieces))
    await writer.commit()
    reader.close()
  }
}

/**
 * @param {string} folder
 * @param {readonly Uint8Array[]} pieces
 */
async function writeByHand(folder, pieces) {
  for (const name of names()) {
    const handle = await open(`${folder}/${name}.tmp`, 'wx')
    try {
      for await (const piece of arriving(pieces)) await handle.write(piece)
    } finally {
      await handle.close()
    }
    await rename(`${folder}/${name}.tmp`, `${folder}/${name}`)
  }
}

/**
 * As a network stream that is never behind brings them.
 * @param {readonly Uint8Array[]} pieces
 */
async function* arriving(pieces) {
  yield* pieces
}

function names() {
  return Array.from({ length: RESOURCES }, (_, index) => `${index}.ts`)
}
