// The code in README.md, docs/guide and the READMEs of packages and examples is compiled as a reader would compile it and,
// where its mark says so, run.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { tempFolder } from '../helpers/temp-folder.js'
import { localLinksOf, pages, repository, type Sample, samplesOf } from './markdown.js'

/** In the repository, so that the packages are found as in a program that installed them. */
const written = fileURLToPath(new URL('./samples/', import.meta.url))
const compiled = fileURLToPath(new URL('./samples-compiled/', import.meta.url))
/** An encrypted stream, below /hls/. */
const HLS = new URL('examples/hls-encrypted/fixture/', repository)
const FILM = Buffer.alloc(3_000_000, 'a film in bytes ')

const all = pages()
const samples = all.flatMap(samplesOf)

before(() => {
  for (const folder of [written, compiled]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
  for (const sample of samples) writeFileSync(fileOf(sample), sample.code)
})

let requests = 0
/** The origin answers with 503. */
let failing = false
const origin = createServer((request, response) => {
  requests += 1
  if (failing) return void response.writeHead(503).end()
  const [, name] = /^\/hls\/([\w.]+)$/.exec(request.url ?? '') ?? []
  if (name !== undefined) return void response.end(readFileSync(new URL(name, HLS)))
  if (request.url === '/absent.mp4') return void response.writeHead(404).end('an error page')
  const etag = `"${createHash('sha256').update(FILM).digest('hex').slice(0, 16)}"`
  response.writeHead(200, { etag, 'content-length': FILM.length })
  if (request.url === '/cut.mp4') response.write(FILM.subarray(0, 1000), () => response.destroy())
  else response.end(FILM)
})
before(async () => {
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
})
after(() => {
  origin.close()
  origin.closeAllConnections()
})

test('each sample in the docs has a name of its own', () => {
  const names = samples.map(({ name }) => name)
  assert.deepEqual(names, [...new Set(names)])
  assert.ok(samples.length > 10, 'the docs have samples')
})

test('each link in the docs leads to a file', () => {
  const dead = all.flatMap((page) => {
    const base = new URL(page.path, repository)
    return localLinksOf(page)
      .filter((target) => !existsSync(new URL(target, base)))
      .map((target) => `${page.path} → ${target}`)
  })
  assert.deepEqual(dead, [])
})

test('samples compile as strictly as the library does', () => {
  // One program for all: what costs is the types of node and of the packages.
  const program = ts.createProgram(samples.map(fileOf), compilerOptions())
  const { diagnostics } = program.emit()
  const found = [...ts.getPreEmitDiagnostics(program), ...diagnostics]
  assert.equal(ts.formatDiagnostics(found, formatHost), '')
})

for (const sample of samples.filter(({ runs }) => runs)) {
  test(`the sample ${sample.name} of ${sample.page} runs`, async (t) => {
    const { stdout, stderr } = await run(sample.name, tempFolder(t))
    assert.equal(stderr, '')
    assert.notEqual(stdout, '')
  })
}

test('the first sample of the README asks the origin once, and says the same from disk', async (t) => {
  const cwd = tempFolder(t)
  const before = requests
  const first = await run('film', cwd)
  assert.match(first.stdout, new RegExp(`and ${FILM.length - 16} bytes more`))
  assert.deepEqual(await run('film', cwd), first)
  assert.equal(requests - before, 1)
})

test('the HLS proxy serves a stream in clear, and asks for the key only while there is something to decrypt', async (t) => {
  const cwd = tempFolder(t)
  const before = requests
  const first = await run('hls-proxy', cwd, 'hls/index.m3u8')
  assert.deepEqual(first, { stdout: 's000.ts 47401110\n', stderr: '' }, 'an MPEG transport stream begins so')
  assert.equal(requests - before, 3, 'playlist, segment, key')
  assert.deepEqual(await run('hls-proxy', cwd, 'hls/index.m3u8'), first)
  assert.equal(requests - before, 4, 'the playlist')
})

test('a live playlist is fetched each time, and the last one is there when the origin fails', async (t) => {
  const cwd = tempFolder(t)
  const before = requests
  const first = await run('live', cwd, 'hls/index.m3u8')
  assert.match(first.stdout, /^\d+\n$/)
  failing = true
  t.after(() => {
    failing = false
  })
  assert.deepEqual(await run('live', cwd, 'hls/index.m3u8'), first)
  assert.equal(requests - before, 2)
})

test('the HLS proxy says what it cannot do', async (t) => {
  const cwd = tempFolder(t)
  await assert.rejects(run('hls-proxy', cwd, 'film.mp4'), /not a playlist with one AES-128 key and an IV/)
  await assert.rejects(run('hls-proxy', cwd, 'absent.mp4'), /origin: 404/)
})

for (const film of ['absent.mp4', 'cut.mp4']) {
  test(`the first sample of @cistern/storage says so, and leaves no file, when the origin has ${film}`, async (t) => {
    const cwd = tempFolder(t)
    await assert.rejects(run('storage', cwd, film), (error: { code?: unknown; stderr?: unknown }) => {
      assert.equal(error.code, 1, 'ended by itself')
      assert.match(String(error.stderr), film === 'absent.mp4' ? /origin: 404/ : /terminated/)
      return true
    })
    assert.deepEqual(readdirSync(cwd), [])
  })
}

/** With the address of a film, for those that want one. */
function run(name: string, cwd: string, film = 'film.mp4') {
  const { port } = origin.address() as { readonly port: number }
  const url = `http://127.0.0.1:${port}/${film}`
  return promisify(execFile)(process.execPath, [`${compiled}${name}.js`, url], { cwd, timeout: 60_000 })
}

function fileOf({ name, language }: Sample): string {
  return `${written}${name}.${language}`
}

/** Those of the library, but for what concerns projects and declarations; JavaScript is checked too. */
function compilerOptions(): ts.CompilerOptions {
  const config = fileURLToPath(new URL('tsconfig.base.json', repository))
  const { options } = ts.parseJsonConfigFileContent(
    {
      extends: config,
      compilerOptions: {
        composite: false,
        declaration: false,
        declarationMap: false,
        isolatedDeclarations: false,
        allowJs: true,
        checkJs: true,
        sourceMap: false,
        rootDir: written,
        outDir: compiled,
        typeRoots: [fileURLToPath(new URL('node_modules/@types', repository))],
      },
      files: [],
    },
    ts.sys,
    written,
  )
  return options
}

const formatHost: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => written,
  getNewLine: () => '\n',
}
