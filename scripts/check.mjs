// Everything that can be said about the code without running it: `npm run check`, or `npm run check -- knip docs` for
// some of the steps. A line per step; the output of a step is shown when it failed. Nothing here needs the network.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = readdirSync(`${root}/packages`).sort()

/** @typedef {{ readonly failed: boolean, readonly output: string }} Outcome */

/** @type {ReadonlyArray<readonly [name: string, run: () => Outcome]>} */
const steps = [
  ['types', () => run('tsc', '-b')],
  ['script types', () => all(run('tsc', '-p', 'scripts'), run('tsc', '-p', 'bench'))],
  ['lint and format', () => run('biome', 'check', '--error-on-warnings', '--max-diagnostics=100', '.')],
  ['unused code (knip)', () => run('knip', '--no-progress', '--treat-config-hints-as-errors')],
  ...packages.map((name) => step(`publint ${name}`, () => run('publint', `packages/${name}`, '--strict'))),
  ...packages.map((name) => step(`attw ${name}`, () => arethetypeswrong(`packages/${name}`))),
  ['docs (typedoc)', () => run('typedoc', '--logLevel', 'Warn')],
  ['performance report', () => node('scripts/bench-report.mjs', '--check')],
  ['licences and lock file', papers],
]

const wanted = process.argv.slice(2)
const chosen = steps.filter(([name]) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
if (chosen.length === 0) throw new Error(`no step matches ${wanted.join(', ')}`)

const failures = chosen.filter(([name, check]) => !report(name, check)).map(([name]) => name)
console.log(failures.length === 0 ? `\nall ${chosen.length} steps passed` : `\nfailed: ${failures.join(', ')}`)
process.exitCode = failures.length === 0 ? 0 : 1

/**
 * @param {string} name
 * @param {() => Outcome} check
 */
function report(name, check) {
  const started = performance.now()
  const { failed, output } = check()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${failed ? 'FAIL' : 'ok  '} ${name.padEnd(24)} ${seconds.padStart(5)} s`)
  if (failed) console.log(output.trimEnd())
  return !failed
}

/**
 * Host applications that are CommonJS `require` the packages: Node 20.19 and newer can, although the types say ESM.
 * @param {string} folder
 */
function arethetypeswrong(folder) {
  return run('attw', '--pack', folder, '--profile', 'esm-only', '--ignore-rules', 'cjs-resolves-to-esm')
}

/** Every package carries the licence, and the lock files name no host. */
function papers() {
  const licence = readFileSync(`${root}/LICENSE`, 'utf8')
  const complaints = packages
    .filter((name) => readFileSync(`${root}/packages/${name}/LICENSE`, 'utf8') !== licence)
    .map((name) => `packages/${name}/LICENSE differs from LICENSE`)
  for (const lock of ['package-lock.json', 'bench/package-lock.json']) {
    if (/"resolved": "\w+:\/\//.test(readFileSync(`${root}/${lock}`, 'utf8')))
      complaints.push(`${lock} names a host: install with the .npmrc of this repository`)
  }
  return { failed: complaints.length > 0, output: complaints.join('\n') }
}

/**
 * @param {string} tool
 * @param {...string} parameters
 * @returns {Outcome}
 */
function run(tool, ...parameters) {
  return ended(`${root}/node_modules/.bin/${tool}`, parameters)
}

/**
 * A script of ours.
 * @param {...string} parameters
 */
function node(...parameters) {
  return ended(process.execPath, parameters)
}

/**
 * @param {string} command
 * @param {readonly string[]} parameters
 * @returns {Outcome}
 */
function ended(command, parameters) {
  const { status, error, stdout, stderr } = spawnSync(command, parameters, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  return { failed: status !== 0, output: `${stdout ?? ''}${stderr ?? ''}${error ?? ''}` }
}

/**
 * @param {...Outcome} outcomes
 * @returns {Outcome}
 */
function all(...outcomes) {
  return { failed: outcomes.some(({ failed }) => failed), output: outcomes.map(({ output }) => output).join('') }
}

/**
 * @param {string} name
 * @param {() => Outcome} check
 * @returns {readonly [string, () => Outcome]}
 */
function step(name, check) {
  return [name, check]
}
