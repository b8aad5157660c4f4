// Line coverage of the packages' sources by the tests: `npm run coverage`, settings in .c8rc.json.
// Files that hold only types compile to nothing and are never loaded: c8 would count each of their lines as missed.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const NOTHING = /^(\s|export \{\};|\/\/#.*)*$/

const typesOnly = readdirSync(`${root}/packages`, { recursive: true, encoding: 'utf8' })
  .map((path) => `packages/${path.replaceAll('\\', '/')}`)
  .filter((path) => /^packages\/[^/]+\/dist\/.*\.js$/.test(path))
  .filter((path) => NOTHING.test(withoutComments(readFileSync(`${root}/${path}`, 'utf8'))))

const { exclude } = JSON.parse(readFileSync(`${root}/.c8rc.json`, 'utf8'))
const excluded = [...exclude, ...typesOnly].flatMap((pattern) => ['--exclude', pattern])
const c8 = spawnSync(
  process.execPath,
  [
    'node_modules/c8/bin/c8.js',
    '--config',
    '.c8rc.json',
    ...excluded,
    process.execPath,
    'scripts/test.mjs',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = c8.status ?? 1

/** @param {string} code */
function withoutComments(code) {
  return code.replace(/\/\*[\s\S]*?\*\//g, '')
}
