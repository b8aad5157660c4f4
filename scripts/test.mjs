// Runs the compiled tests: `npm test`, or `npm test -- storage frame` for the files whose path holds one of the words.
// What starts with `--` goes to node, e.g. `npm test -- assets --test-name-pattern="core 12"`.
// Node 20 knows no globs and Node 24 runs nothing for a folder, so the files are listed here.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))

const files = testNames(root)
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => `test/dist/${name}.test.js`)

if (files.length === 0) {
  console.error(words.length > 0 ? `no test file matches ${words.join(', ')}` : 'no test files')
  process.exit(1)
}

const runner = ['--enable-source-maps', '--test', '--test-reporter=spec', '--test-reporter-destination=stdout']
const tests = spawn(process.execPath, [...runner, ...flags, ...files], { cwd: root, stdio: 'inherit' })
tests.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})
tests.on('exit', (code, signal) => {
  if (signal) console.error(`the test runner was ended by ${signal}`)
  process.exitCode = code ?? 1
})

/**
 * Names come from the sources, not from test/dist: a compiled test whose source is gone must not run, and one that
 * was not compiled must be missed.
 * @param {string} folder
 * @returns {string[]}
 */
function testNames(folder) {
  return readdirSync(`${folder}/test`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.ts') && !path.startsWith('dist/') && !path.includes('node_modules/'))
    .map((path) => path.slice(0, -'.test.ts'.length))
    .sort()
}
