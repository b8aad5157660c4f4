// Breaks stores on purpose and looks at what is left: `npm run faults`, options and parts in test/faults/run.ts.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const run = fileURLToPath(new URL('../test/dist/faults/run.js', import.meta.url))
const { status, error } = spawnSync(process.execPath, ['--enable-source-maps', run, ...process.argv.slice(2)], {
  stdio: 'inherit',
})
if (error) console.error(error)
process.exitCode = status ?? 1
