// Takes in 2 MiB in 64 KiB pieces, COUNT times, for its system calls to be counted: `node take-in-child.mjs ours|by-hand FOLDER COUNT`.
import { open, rename } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'

const [how, folder = '', count = '1'] = process.argv.slice(2)
const pieces = Array.from({ length: 32 }, (_, index) => Buffer.alloc(64 * 1024, index + 1))

await (how === 'ours' ? takeIn(folder) : writeByHand(folder))

/** @param {string} root */
async function takeIn(root) {
  const store = await AssetStore.open({ root, minFreeBytes: 0 })
  for (let index = 0; index < Number(count); index++) {
    const { writer, reader } = await store.asset('asset').acquire(`${index}.ts`)
    if (!writer) throw new Error('the resource is there already')
    await writer.writeFrom(arriving())
    await writer.commit()
    reader.close()
  }
  await store.close()
}

/** @param {string} place */
async function writeByHand(place) {
  for (let index = 0; index < Number(count); index++) {
    const handle = await open(`${place}/${index}.tmp`, 'wx')
    for await (const piece of arriving()) await handle.write(piece)
    await handle.close()
    await rename(`${place}/${index}.tmp`, `${place}/${index}.ts`)
  }
}

async function* arriving() {
  yield* pieces
}
