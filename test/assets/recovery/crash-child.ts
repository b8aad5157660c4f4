// A session that is killed at one of its system calls: half, a flush, the other half, commit, checkpoint.
import { AssetStore, aes128Cbc, ResourceKey } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { CIPHER, cipherOf } from './crash-at.js'

const [root = '', how] = process.argv.slice(2)
const store = await AssetStore.open({ root })
const key = ResourceKey.of('film', 'a.ts')
const source = how === 'processed' ? cipherOf() : randomBytes(1, 1_000_000)
const processor = how === 'processed' ? aes128Cbc(CIPHER) : undefined
const { reader, writer } = await store.acquire(key, { processor })
if (writer === undefined) throw new Error('no writer')
await writer.writeFrom([source.subarray(0, 600_000)])
await store.checkpoint()
await writer.writeFrom([source.subarray(600_000)], { at: 600_000 })
await writer.commit(source.length)
await store.checkpoint()
reader.close()
await store.close()
