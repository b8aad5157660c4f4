// 2 MiB of AES-128-CBC arriving in 64 KiB pieces, stored decrypted, against deciphering and writing by hand.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { AssetStore, aes128Cbc } from '@cistern/assets'
import { arriving, piecesOf } from './harness/arriving.mjs'
import { writeAtOnce, writeAwaited } from './harness/by-hand.mjs'
import { compareAll } from './harness/compare.mjs'

/** @import { Asset } from '@cistern/assets' */
/** @import { Place } from './harness/place.mjs' */
/** @import { Other, Target } from './harness/compare.mjs' */

const KIB = 1024
const PIECE = 64 * KIB
const key = randomBytes(16)
const iv = randomBytes(16)

/** @param {Place} place */
export default async function aes(place) {
  const cipher = createCipheriv('aes-128-cbc', key, iv)
  const plain = Buffer.alloc(2 * KIB * KIB, 'a segment of two mebibytes')
  const pieces = piecesOf(Buffer.concat([cipher.update(plain), cipher.final()]), PIECE)
  const path = `${place.folder()}/segment`
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const asset = store.asset('asset')
  await asset.put('init.mp4', 'init')
  await store.checkpoint()
  let turn = 0
  /** @param {(asset: Asset, name: string, pieces: readonly Uint8Array[]) => Promise<void>} takeIn */
  const run = (takeIn) => ({
    run: () => takeIn(asset, `${turn}.ts`, pieces),
    settle: async () => {
      await asset.remove(`${turn++}.ts`)
      await store.checkpoint()
    },
  })
  try {
    return [
      ...(await compareAll({
        name: '2 MiB of AES-128-CBC taken in and committed within a flush',
        ours: { name: 'writeFrom + commit, aes128Cbc', ...run(takeInOrder) },
        others: byHand(path, pieces, { atLeast: 1 }),
        repetitions: 41,
        warmups: 100,
      })),
      // Bytes that come out of order are not held in memory: both files are written.
      ...(await compareAll({
        name: '2 MiB of AES-128-CBC, its second piece first: the raw bytes reach the disk, too',
        ours: { name: 'writeFrom + commit, raw spilled', ...run(takeOutOfOrder) },
        others: byHand(path, pieces, { atLeast: 0.75 }),
        repetitions: 41,
        warmups: 40,
      })),
    ]
  } finally {
    await store.close()
  }
}

/**
 * @param {string} path
 * @param {readonly Uint8Array[]} pieces
 * @param {Target} target
 * @returns {Other[]}
 */
function byHand(path, pieces, target) {
  return [
    {
      name: 'decipher + awaited FileHandle.write + rename',
      run: () => {
        const decipher = createDecipheriv('aes-128-cbc', key, iv)
        return writeAwaited(
          path,
          pieces,
          (piece) => decipher.update(piece),
          () => decipher.final(),
        )
      },
      settle: () => rm(path),
      ratio: 'theirs/ours',
      target,
    },
    {
      name: 'decipher + writeSync + renameSync',
      run: () => {
        const decipher = createDecipheriv('aes-128-cbc', key, iv)
        writeAtOnce(
          path,
          pieces,
          (piece) => decipher.update(piece),
          () => decipher.final(),
        )
      },
      settle: () => rm(path),
      ratio: 'theirs/ours',
    },
  ]
}

/**
 * @param {Asset} asset
 * @param {string} name
 * @param {readonly Uint8Array[]} pieces
 */
async function takeInOrder(asset, name, pieces) {
  const { writer, reader } = await asset.acquire(name, { processor: aes128Cbc({ key, iv }) })
  if (!writer) throw new Error('the resource is there already')
  await writer.writeFrom(arriving(pieces))
  await writer.commit()
  reader.close()
}

/**
 * @param {Asset} asset
 * @param {string} name
 * @param {readonly Uint8Array[]} pieces
 */
async function takeOutOfOrder(asset, name, [first = Buffer.alloc(0), second = first, ...rest]) {
  const { writer, reader } = await asset.acquire(name, { processor: aes128Cbc({ key, iv }) })
  if (!writer) throw new Error('the resource is there already')
  await writer.writeAt(PIECE, second)
  await writer.writeAt(0, first)
  await writer.writeFrom(arriving(rest), { at: 2 * PIECE })
  await writer.commit()
  reader.close()
}
