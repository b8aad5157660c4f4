// Opens a store, says what it found, and ends without closing: closing writes.
import { AssetStore } from '@cistern/assets'

const [root = ''] = process.argv.slice(2)
const store = await AssetStore.open({ root })
const { resources, suspect } = store.recovery
process.stdout.write(JSON.stringify({ resources, suspect }), () => process.exit(0))
