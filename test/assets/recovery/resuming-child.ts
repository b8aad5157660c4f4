// Goes on with an unfinished resource, declaring nothing: a block at `position`, flushed. Then waits to be killed.
import { AssetStore, ResourceKey } from '@cistern/assets'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes } from '../../helpers/bytes.js'

const [root = '', durability, id = '', seed, position] = process.argv.slice(2)
const store = await AssetStore.open({ root, durability: durability as 'ordered' | 'relaxed' })
const { writer } = await store.acquire(ResourceKey.parse(id))
await writer?.writeAt(Number(position), randomBytes(Number(seed), BLOCK_BYTES))
await store.checkpoint()
process.on('message', () => undefined) // keeps it running
process.send?.(writer?.generation)
