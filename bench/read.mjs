// 64 KiB reads of a committed resource that the page cache holds, against the same reads of the same file without a store.
import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import { compare } from './harness/compare.mjs'

const SIZE = 64 * 1024
const READS_IN_FILE = 256
const SYNC_READS = 4_000
const ASYNC_READS = 1_000

/** @param {import('./harness/place.mjs').Place} place */
export default async function read(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const asset = store.asset('asset')
  await asset.put('file.mp4', Buffer.alloc(SIZE * READS_IN_FILE, 7))
  await store.checkpoint() // the finished file has its name now
  const reader = await asset.open('file.mp4', { committed: true })
  const path = reader.path
  if (path === undefined) throw new Error('the file has no name yet')
  const descriptor = openSync(path, 'r')
  const handle = await open(path, 'r')
  const target = Buffer.alloc(SIZE)
  try {
    return [
      await compare({
        name: 'readAtSync of 64 KiB',
        ratio: 'ours/theirs',
        target: { atMost: 1.5 },
        ours: { name: 'readAtSync', run: () => repeat(SYNC_READS, (position) => reader.readAtSync(position, target)) },
        theirs: {
          name: 'fs.readSync',
          run: () => repeat(SYNC_READS, (position) => readSync(descriptor, target, 0, SIZE, position)),
        },
      }),
      await compare({
        name: 'readAt of 64 KiB',
        ratio: 'ours/theirs',
        target: { atMost: 1 },
        ours: { name: 'readAt', run: () => repeatAsync(ASYNC_READS, (position) => reader.readAt(position, target)) },
        theirs: {
          name: 'FileHandle.read',
          run: () =>
            repeatAsync(ASYNC_READS, async (position) => (await handle.read(target, 0, SIZE, position)).bytesRead),
        },
      }),
    ]
  } finally {
    closeSync(descriptor)
    await handle.close()
    reader.close()
    await store.close()
  }
}

/**
 * @param {number} times
 * @param {(position: number) => number} readOne
 */
function repeat(times, readOne) {
  for (let index = 0; index < times; index++) whole(readOne((index % READS_IN_FILE) * SIZE))
}

/**
 * @param {number} times
 * @param {(position: number) => Promise<number>} readOne
 */
async function repeatAsync(times, readOne) {
  for (let index = 0; index < times; index++) whole(await readOne((index % READS_IN_FILE) * SIZE))
}

/** @param {number} bytes */
function whole(bytes) {
  if (bytes !== SIZE) throw new Error(`read ${bytes} of ${SIZE} bytes`)
}
