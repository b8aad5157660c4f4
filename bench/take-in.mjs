// 2 MiB arriving in 64 KiB pieces, written and committed, against what one would write by hand: one awaited
// FileHandle.write per piece into a temporary file, then rename.
import { open, rename, rm } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import { compare } from './harness/compare.mjs'

const PIECE = 64 * 1024
const PIECES = 32

/** @param {import('./harness/place.mjs').Place} place */
export default async function takeIn(place) {
  const pieces = Array.from({ length: PIECES }, (_, index) => Buffer.alloc(PIECE, index + 1))
  const plain = place.folder()
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const asset = store.asset('asset')
  // The asset has other segments already: its folder is there, as the one is that is written to by hand.
  await asset.put('init.mp4', 'init')
  /** @param {number} resources */
  const sides = (resources) => ({
    ours: {
      name: 'AssetStore writeFrom + commit',
      run: () => takeInto(asset, pieces, resources),
      settle: async () => {
        for (const name of names(resources)) await asset.remove(name)
        await store.checkpoint()
      },
    },
    theirs: {
      name: 'FileHandle.write + rename',
      run: () => writeByHand(plain, pieces, resources),
      settle: () => Promise.all(names(resources).map((name) => rm(`${plain}/${name}`))),
    },
  })
  try {
    return [
      await compare({
        name: '2 MiB taken in as 64 KiB pieces and committed',
        ratio: 'theirs/ours',
        target: { atLeast: 1.5 },
        repetitions: 101,
        warmups: 300, // until the code is compiled as in a program that has been running for a while
        ...sides(1),
      }),
      // Long enough for a flush to run beside it: we sync what we are given, and writing by hand does not.
      await compare({
        name: '16 × 2 MiB one after the other, syncs beside them',
        ratio: 'theirs/ours',
        ...sides(16),
      }),
    ]
  } finally {
    await store.close()
  }
}

/**
 * @param {import('@cistern/assets').Asset} asset
 * @param {readonly Uint8Array[]} pieces
 * @param {number} resources
 */
async function takeInto(asset, pieces, resources) {
  for (const name of names(resources)) {
    const { writer, reader } = await asset.acquire(name)
    if (!writer) throw new Error('the resource is there already')
    await writer.writeFrom(arriving(pieces))
    await writer.commit()
    reader.close()
  }
}

/**
 * @param {string} folder
 * @param {readonly Uint8Array[]} pieces
 * @param {number} resources
 */
async function writeByHand(folder, pieces, resources) {
  for (const name of names(resources)) {
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

/** @param {number} resources */
function names(resources) {
  return Array.from({ length: resources }, (_, index) => `${index}.ts`)
}
