// A store in a process of its own, told what to do over IPC: `[verb, ...arguments]`, answered by what the verb gave.
import { AssetStore, ResourceKey, type ResourceWriter } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'

const [root = '', options = '{}'] = process.argv.slice(2)
const store = await AssetStore.open({ root, flushMs: 20, ...JSON.parse(options) })
const writers = new Map<string, ResourceWriter>()
const held: Disposable[] = []
process.send?.('open')

const verbs: Record<string, (...given: never[]) => unknown> = {
  pin: (asset: string) => store.pin(asset),
  lease: (asset: string) => void held.push(store.lease(asset)),
  put: async (id: string, seed: number, length: number) => {
    await store.put(ResourceKey.parse(id), randomBytes(seed, length))
  },
  write: async (id: string, seed: number, length: number, end: number) => {
    const { reader, writer } = await store.acquire(ResourceKey.parse(id), { length })
    held.push(reader)
    if (writer === undefined) throw new Error('somebody writes already')
    writers.set(id, writer)
    await writer.writeFrom([randomBytes(seed, length).subarray(0, end)])
  },
  commit: (id: string) => writers.get(id)?.commit(),
  release: (id: string) => writers.get(id)?.release(),
  remove: (id: string) => store.remove(ResourceKey.parse(id)),
  checkpoint: () => store.checkpoint(),
  close: async () => {
    await store.close()
    process.disconnect()
  },
}

process.on('message', async ([verb, ...given]: [string, ...never[]]) => {
  try {
    const answer = await verbs[verb]?.(...given)
    if (process.connected) process.send?.({ answer: answer ?? null })
  } catch (error) {
    process.send?.({ error: String(error) })
  }
})
