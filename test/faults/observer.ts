// The process that looks at what another one left: `node observer.js ROOT LOSSY`
import { observe } from './survivors.js'

const [root = '', isLossy] = process.argv.slice(2)
const observation = await observe(root, { isLossy: isLossy === 'true' })
process.send?.(observation, () => process.disconnect())
