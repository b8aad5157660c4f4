import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ProgressBar } from '#assets/cli/progress-bar.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk } from '../disk/open-disk.js'
import { cistern } from './cistern.js'

const WRONG: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [[], /a command is missing/],
  [['delete', '/x'], /unknown command "delete"/],
  [['constructor', '/x'], /unknown command "constructor"/],
  [['verify'], /verify: ROOT is missing/],
  [['verify', ''], /verify: ROOT is empty/],
  [['stat', '/x'], /stat: KEY is missing/],
  [['ls', '/x', 'a', 'b'], /ls: "b" is one argument too many/],
  [['ls', '/x', '--repair'], /ls takes no option --repair/],
  [['verify', '/x', '--force'], /Unknown option '--force'/],
  [['verify', '/x', '-j'], /Unknown option '-j'/],
  [['verify', '/x', '--json=yes'], /'--json' does not take an argument/],
  [['stat', '/x', 'film/../../etc/passwd'], /ERR_CISTERN_INVALID_KEY/],
  [['stat', '/x', 'film'], /ERR_CISTERN_INVALID_KEY/],
  [['ls', '/x', 'film/a'], /ERR_CISTERN_INVALID_KEY/],
  [['ls', '/x', '\u001b[31m'], /ERR_CISTERN_INVALID_KEY/],
]

for (const [args, says] of WRONG) {
  test(`cistern ${JSON.stringify(args)} is wrong usage: a line that says what, and exit code 2`, async () => {
    const { code, stdout, stderr } = await cistern(args)
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, says)
    assert.match(stderr, /^cistern: \P{Cc}*\n$/u)
  })
}

test('--help shows the commands and the exit codes, --version the version of the package', async () => {
  const help = await cistern(['--help'])
  assert.deepEqual([help.code, help.stderr], [0, ''])
  for (const word of ['verify ROOT', 'ls ROOT', 'stat ROOT KEY', '--repair', '--json', 'exit codes'])
    assert.ok(help.stdout.includes(word), word)
  assert.deepEqual(await cistern(['verify', '-h']), help)
  const manifest = new URL('../../../../packages/assets/package.json', import.meta.url)
  assert.equal((await cistern(['-v'])).stdout, `${JSON.parse(readFileSync(manifest, 'utf8')).version}\n`)
})

test('a root of a strange name is told in one line of harmless letters', async (t) => {
  const { code, stderr } = await cistern(['ls', `${tempFolder(t)}/\u001b[2J\n\u009b\u202e`])
  assert.equal(code, 3)
  assert.match(stderr, /^cistern: [^\p{Cc}\p{Cf}]*\n$/u)
  assert.match(stderr, /\\u001b\[2J\\u000a\\u009b\\u202e/)
})

const isRoot = process.getuid?.() === 0
const skip = process.platform === 'win32' ? 'Windows has other permissions' : false

test('[core 54] a root that may not be read is told with the code of the system and exit code 3', {
  skip,
}, async (t) => {
  const root = tempFolder(t)
  await (await openDisk(root)).close()
  if (!isRoot) chmodSync(root, 0)
  try {
    for (const command of [['ls'], ['verify'], ['verify', '--repair']]) {
      // Root may read everything, so that somebody else asks.
      const { code, stdout, stderr } = await cistern([...command, root], { uid: isRoot ? 65534 : undefined })
      if (isRoot && code === 1) return t.skip('permissions were NOT tested: nobody may read this repository')
      assert.deepEqual([code, stdout], [3, ''])
      assert.match(stderr, /^cistern: ERR_CISTERN_STORAGE_IO: [^\n]*EACCES[^\n]*\n$/)
    }
  } finally {
    chmodSync(root, 0o700)
  }
})

const CLEAR = '\r\u001b[K'

test('the progress bar is drawn on a terminal only, ten times a second at most, and is gone at the end', () => {
  const written: string[] = []
  const stream = { isTTY: true, columns: 40, write: (text: string) => written.push(text) > 0 }
  let now = 0
  {
    using bar = new ProgressBar(stream, true, () => now)
    for (; now < 1000; now += 10) bar.update(now, 1000)
    bar.update(1000, 1000)
  }
  assert.ok(written.length >= 10 && written.length <= 13, `${written.length} writes`)
  assert.ok(written[5]?.startsWith(`${CLEAR}[${'#'.repeat(12)}${'.'.repeat(12)}]  50%  `), written[5])
  for (const text of written) assert.ok(text.length <= 39 + CLEAR.length, 'it fits in a line')
  assert.equal(written.at(-1), CLEAR)
  written.length = 0
  for (const [isTTY, isWanted] of [
    [false, true],
    [true, false],
  ] as const) {
    using bar = new ProgressBar({ ...stream, isTTY }, isWanted)
    bar.update(1, 2)
  }
  assert.deepEqual(written, [])
})
