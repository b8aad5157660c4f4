// One side of filling a large file in a process of its own: what the one leaves to be collected is not the other's to
// collect, and memory grows as it does in a program that does the one thing. `node fill-child.mjs FOLDER`.
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { answering } from './child.mjs'

const [folder = '.'] = process.argv.slice(2)
const key = ResourceKey.of('films', 'large.mp4')
const path = `${folder}/large.mp4`
/** @type {{ store: AssetStore, filler: Filler } | undefined} */
let opened

answering({
  /** Milliseconds. */
  fill: async (/** @type {string} */ url) => {
    opened ??= await open()
    const { filler } = opened
    return timed(() => filler.complete(key, httpSource(url)))
  },
  removed: async () => {
    await opened?.store.remove(key)
    await opened?.store.checkpoint()
  },
  pipe: (/** @type {string} */ url) =>
    timed(async () => {
      const { body } = await fetch(url)
      if (!body) throw new Error('the origin sent no body')
      await pipeline(Readable.fromWeb(/** @type {any} */ (body)), createWriteStream(path))
    }),
  unlinked: () => rm(path),
})

async function open() {
  const store = await AssetStore.open({ root: `${folder}/store`, minFreeBytes: 0 })
  return { store, filler: new Filler(store) }
}

/** @param {() => Promise<unknown>} work */
async function timed(work) {
  const started = performance.now()
  await work()
  return performance.now() - started
}
