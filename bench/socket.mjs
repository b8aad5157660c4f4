// 64 MiB sent through a socket on this machine, to a process that takes it in and says when it has it all.
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { connect } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { AssetStore } from '@cistern/assets'
import { Child } from './harness/child.mjs'
import { compareAll } from './harness/compare.mjs'

/** @import { Place } from './harness/place.mjs' */

const MIB = 1024 * 1024
const BYTES = 64 * MIB

/** @param {Place} place */
export default async function socket(place) {
  const sink = Child.start('./sink-child.mjs')
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const asset = store.asset('asset')
  await asset.put('film.mp4', Buffer.alloc(BYTES, 'a film'))
  await store.checkpoint() // the finished file has its name now
  const reader = await asset.open('film.mp4')
  const { path } = reader
  if (path === undefined) throw new Error('the file has no name yet')
  const port = await sink.ask('listen')
  const streams = [
    {
      ...sending(port, 'fs.createReadStream', () => createReadStream(path)),
      ratio: /** @type {const} */ ('theirs/ours'),
    },
    {
      ...sending(port, 'fs.createReadStream, 256 KiB chunks', () => createReadStream(path, { highWaterMark: MIB / 4 })),
      ratio: /** @type {const} */ ('theirs/ours'),
    },
  ]
  try {
    return [
      ...(await compareAll({
        name: '64 MiB to a socket, toReadable()',
        ours: sending(port, 'toReadable() in a pipeline', () => reader.toReadable()),
        others: streams,
      })),
      ...(await compareAll({
        name: '64 MiB to a socket, chunks()',
        ours: sending(port, 'chunks() in a pipeline', () => reader.chunks()),
        others: streams,
      })),
    ]
  } finally {
    reader.close()
    await store.close()
    await sink[Symbol.asyncDispose]()
  }
}

/**
 * @param {number} port
 * @param {string} name
 * @param {() => NodeJS.ReadableStream | AsyncIterable<Uint8Array>} source
 */
function sending(port, name, source) {
  return {
    name,
    run: async () => {
      const peer = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      const answer = once(peer, 'data')
      await pipeline(source(), peer)
      const [bytes] = await answer
      if (Number(String(bytes)) !== BYTES) throw new Error(`${bytes} of ${BYTES} bytes arrived`)
    },
  }
}
