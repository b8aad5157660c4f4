// The last life of a full store: `node full-store-child.js ROOT FIRST-NONCE`. It is killed once it has told that it is done.
import { lastLife } from './full-store.js'

const [root = '', firstNonce = '1'] = process.argv.slice(2)
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this
await lastLife(root, Number(firstNonce))
process.send?.('done')
