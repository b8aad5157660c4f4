// Every example runs, does what it says, and ends as it should.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempFolder } from '../helpers/temp-folder.js'
import { type ExampleRun, runExample } from './run-example.js'

const KEY = fileURLToPath(new URL('../../../examples/hls-encrypted/fixture/key.bin', import.meta.url))
const BIG_BYTES = 64 * 1024 * 1024
/** What may be on its way between origin and store when a run is stopped. */
const IN_FLIGHT = 2 * 1024 * 1024

describe('hls-encrypted', () => {
  test('fetches and decrypts all of it; the second run asks for no segment; the third needs no origin', async (t) => {
    const args = ['hls-encrypted', '--root', tempFolder(t)]
    const first = await succeeds(args)
    assert.match(first.stdout, /checked: 10 segments, \d+ bytes, every digest right/)
    assert.match(first.stdout, /segment requests: 10, key requests: 1\n/)

    const second = await succeeds(args)
    assert.match(second.stdout, /checked: 10 segments, \d+ bytes, every digest right/)
    assert.match(second.stdout, /segment requests: 0, key requests: 0\n/)

    const offline = await succeeds([...args, '--offline'])
    assert.match(offline.stdout, /checked: 10 segments, \d+ bytes, every digest right/)
  })

  test('leaves a playlist that plays: clear segments beside it, and no key', async (t) => {
    const root = tempFolder(t)
    const { stdout } = await succeeds(['hls-encrypted', '--root', root])
    const path = /playable: ffplay (.+)\n/.exec(stdout)?.[1]
    assert.ok(path, stdout)
    assert.equal(path.startsWith(root), true, path)
    const playlist = await readFile(path, 'utf8')
    assert.doesNotMatch(playlist, /EXT-X-KEY/)
    const segments = playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    assert.equal(segments.length, 10)
    // Every packet of an MPEG transport stream begins with 0x47, which cipher text does by chance only.
    for (const name of segments)
      assert.equal(packetsOf(await readFile(join(path, '..', name))).every(isSync), true, name)
  })

  test('the key is neither printed nor stored', async (t) => {
    const root = tempFolder(t)
    const key = await readFile(KEY)
    const { stdout, stderr } = await succeeds(['hls-encrypted', '--root', root])
    for (const form of ['hex', 'base64', 'latin1'] as const)
      assert.equal((stdout + stderr).includes(key.toString(form)), false)
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      if (entry.isFile())
        assert.equal((await readFile(join(entry.parentPath, entry.name))).includes(key), false, entry.name)
    }
  })

  test('--mem leaves nothing behind', async (t) => {
    const root = tempFolder(t)
    const { stdout } = await succeeds(['hls-encrypted', '--mem', '--root', root])
    assert.match(stdout, /checked: 10 segments, \d+ bytes, every digest right/)
    assert.deepEqual(await readdir(root), [])
  })

  test('--offline with an empty store says what is missing', async (t) => {
    const { code, stderr } = await runExample(['hls-encrypted', '--offline', '--root', tempFolder(t)])
    assert.equal(code, 1)
    assert.equal(stderr.match(/offline, and index\.m3u8 is not all in the cache/g)?.length, 1, stderr)
  })

  test('killed half way: the next run asks only for what is missing', async (t) => {
    const root = tempFolder(t)
    const killed = await runExample(['hls-encrypted', '--big', '--kill', '--root', root])
    assert.equal(killed.signal, 'SIGKILL', killed.stdout + killed.stderr)
    assert.match(killed.stdout, /big\.bin: killed by --kill/)

    const resumed = await succeeds(['hls-encrypted', '--big', '--root', root])
    assert.match(resumed.stdout, /segment requests: 0, key requests: 0\n/)
    assert.match(resumed.stdout, new RegExp(`checked: big\\.bin, ${BIG_BYTES} of ${BIG_BYTES} bytes right`))
    const asked = askedOf(resumed)
    assert.ok(asked >= BIG_BYTES / 2 - IN_FLIGHT && asked <= BIG_BYTES * 0.75 + IN_FLIGHT, `asked for ${asked}`)

    const again = await succeeds(['hls-encrypted', '--big', '--offline', '--root', root])
    assert.equal(askedOf(again), 0)

    const spared = await succeeds(['hls-encrypted', '--kill', '--root', root])
    assert.match(spared.stdout, /big\.bin: all here, so --kill has nothing to interrupt/)
  })

  test('SIGTERM closes the store and is a success; what was there is kept', async (t) => {
    const args = ['hls-encrypted', '--big', '--root', tempFolder(t)]
    const stopped = await runExample(args, async (child) => {
      await child.printed('big.bin: 25%')
      child.process.kill('SIGTERM')
    })
    assert.equal(stopped.code, 0, stopped.stderr)
    assert.match(stopped.stdout, /stopped by SIGTERM: the store is closed\n$/)

    const asked = askedOf(await succeeds(args))
    assert.ok(asked > 0 && asked <= BIG_BYTES * 0.75 + IN_FLIGHT, `asked for ${asked}`)
  })

  test('--help prints the options and is a success', async () => {
    const { stdout, stderr } = await succeeds(['hls-encrypted', '--help'])
    assert.match(stdout, /^usage: hls-encrypted/)
    for (const option of ['root', 'mem', 'offline', 'big', 'kill', 'help'])
      assert.match(stdout, new RegExp(`^  --${option}`, 'm'))
    assert.equal(stderr, '')
  })

  for (const wrong of [['--nope'], ['stray'], ['--root'], ['--kill', '--mem']]) {
    test(`wrong usage, ${wrong.join(' ')}: says how it is meant and exits 2`, async () => {
      const { code, stdout, stderr } = await runExample(['hls-encrypted', ...wrong])
      assert.equal(code, 2)
      assert.match(stderr, /usage: hls-encrypted/)
      assert.equal(stdout, '')
    })
  }
})

for (const name of ['file-streaming', 'custom-processor', 'compose-layers']) {
  test(name, async () => {
    const { stdout, stderr } = await succeeds([name])
    assert.match(stdout, /all as it should be\n$/)
    assert.equal(stderr, '')
  })
}

for (const where of ['disk', 'memory'] as const) {
  test(`media-proxy: prints its address, answers, asks for nothing twice, and ends when it is told to (${where})`, async (t) => {
    const args = ['media-proxy', ...(where === 'disk' ? ['--root', tempFolder(t)] : ['--mem'])]
    const run = await runExample(args, async (child) => {
      await child.printed('try: ')
      const address = /http:\S+\//.exec(child.stdout)?.[0] ?? ''
      const end = await fetch(`${address}film.bin`, { headers: { range: 'bytes=-1000' } })
      assert.deepEqual([end.status, (await end.arrayBuffer()).byteLength], [206, 1000])
      for (const expected of [10, 10]) {
        const playlist = await (await fetch(`${address}index.m3u8`)).text()
        const segments = playlist.split('\n').filter((line) => line.endsWith('.ts'))
        assert.equal(segments.length, expected)
        for (const name of segments) assert.equal((await fetch(`${address}${name}`)).status, 200)
      }
      assert.equal((await fetch(`${address}nothing.ts`)).status, 404)
      child.process.kill('SIGTERM')
    })
    assert.equal(run.code, 0, run.stderr)
    assert.match(run.stdout, /origin: film\.bin from 0, critical\n/) // it has to learn where the end is
    const asked = run.stdout.split('\n').filter((line) => line.startsWith('origin: s0'))
    assert.equal(asked.length, 10)
    assert.match(run.stdout, /stopped: \d+ requests to the origin, \d+ bytes\n$/)
  })
}

test('media-proxy asks for what it was asked for, and for nothing outside of its folder', async (t) => {
  const origin = createServer((request, response) => response.end(request.url)).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  t.after(() => origin.close().closeAllConnections())
  const { port } = origin.address() as AddressInfo
  const inside = ['a.ts?token=1&n=2', 'a.ts?token=2', 'a%23b.ts', '100%25.ts', '%C3%A4/b%20c.ts', '/other.example/a.ts']
  const outside = ['..%2ftop.txt', 'a/..%2F..%2ftop.txt', '%2e%2e%2ftop.txt']
  const answers: string[] = []
  const args = ['media-proxy', '--mem', '--origin', `http://127.0.0.1:${port}/films/`]
  const { code, stderr } = await runExample(args, async (child) => {
    await child.printed('stands in front of')
    const address = /http:\S+\//.exec(child.stdout)?.[0] ?? ''
    for (const name of [...inside, ...outside]) {
      const response = await fetch(`${address}${name}`)
      answers.push(`${response.status} ${await response.text()}`)
    }
    child.process.kill('SIGTERM')
  })
  assert.equal(code, 0, stderr)
  assert.deepEqual(answers, [...inside.map((name) => `200 /films/${name}`), ...outside.map(() => '404 Not Found\n')])
})

test('media-proxy: wrong usage says how it is meant and exits 2', async () => {
  for (const wrong of [['--nope'], ['--origin', 'nowhere']]) {
    const { code, stderr } = await runExample(['media-proxy', ...wrong])
    assert.equal(code, 2)
    assert.match(stderr, /usage: media-proxy/)
  }
  assert.match((await succeeds(['media-proxy', '--help'])).stdout, /^usage: media-proxy/)
})

test('testing-with-mem-store', async () => {
  const { stdout } = await succeeds(['testing-with-mem-store'])
  assert.match(stdout, /pass 5\n/)
  assert.match(stdout, /the app keeps playing\n$/)
})

test('without a name the examples are listed; an unknown one is refused', async () => {
  const listed = await succeeds([])
  const names = [
    'compose-layers',
    'custom-processor',
    'file-streaming',
    'hls-encrypted',
    'hls-player',
    'media-proxy',
    'testing-with-mem-store',
  ]
  for (const name of names) assert.match(listed.stdout, new RegExp(`^  ${name}$`, 'm'))
  const unknown = await runExample(['nope'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /no example is called nope/)
})

async function succeeds(args: readonly string[]): Promise<ExampleRun> {
  const run = await runExample(args)
  assert.equal(run.code, 0, `${args.join(' ')}: code ${run.code}, signal ${run.signal}\n${run.stdout}\n${run.stderr}`)
  return run
}

function askedOf({ stdout }: ExampleRun): number {
  const asked = /big\.bin: asked for (\d+) of \d+ bytes/.exec(stdout)?.[1]
  assert.ok(asked !== undefined, stdout)
  return Number(asked)
}

function packetsOf(stream: Buffer): readonly Buffer[] {
  return Array.from({ length: stream.length / 188 }, (_, n) => stream.subarray(n * 188, (n + 1) * 188))
}

const isSync = (packet: Buffer): boolean => packet[0] === 0x47
