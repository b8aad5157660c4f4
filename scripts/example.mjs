// Runs a compiled example: `npm run example -- NAME [args]`. Without a name, lists them. Its exit is passed on, signals too.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const examples = fileURLToPath(new URL('../examples', import.meta.url))
const [name, ...args] = process.argv.slice(2)
const names = readdirSync(examples)
  .filter((folder) => existsSync(`${examples}/${folder}/main.ts`))
  .sort()

if (name === undefined) console.log(list())
else if (!names.includes(name)) {
  console.error(`no example is called ${name}\n${list()}`)
  process.exitCode = 2
} else run(name)

/** @param {string} chosen */
function run(chosen) {
  const child = spawn(process.execPath, ['--enable-source-maps', `${examples}/dist/${chosen}/main.js`, ...args], {
    stdio: 'inherit',
  })
  // A terminal sends SIGINT to both of us, kill(1) only here: either way the example decides how it ends.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1
    else if (signal === 'SIGINT' || signal === 'SIGTERM') process.exitCode = 128 + constants.signals[signal]
    else process.kill(process.pid, signal)
  })
}

function list() {
  return `examples, run with npm run example -- NAME:\n${names.map((each) => `  ${each}`).join('\n')}`
}
