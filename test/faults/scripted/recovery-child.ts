// Opens what another process left, and closes it: `node recovery-child.js ROOT DURABILITY`.
import { AssetStore, type Durability } from '@cistern/assets'

const [root = '', durability = 'ordered'] = process.argv.slice(2)
const store = await AssetStore.open({ root, durability: durability as Durability, minFreeBytes: 0 })
await store.checkpoint()
await store.close()
