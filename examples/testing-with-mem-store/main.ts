// Runs the app's tests, as `node --test` would in the app's own package.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('podcasts.test.js', import.meta.url))
// Set in a process that a test runner started: with it, the runner below would take itself for one of the tests.
const { NODE_TEST_CONTEXT: _, ...env } = process.env

const tests = spawn(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', file], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env,
})
const [code] = (await once(tests, 'exit')) as [number | null]
if (code === 0) console.log('the app keeps playing')
process.exitCode = code ?? 1
