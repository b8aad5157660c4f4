// A warm 2 MiB file over loopback, from servers in processes of their own: ours, `send`, and nginx where that is installed.
// `send` is installed by `npm ci` in this folder; nginx and wrk are Debian packages (nginx-light, wrk).
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { Child } from './harness/child.mjs'
import { spreadOf } from './harness/compare.mjs'
import { isThere, Nginx } from './harness/nginx.mjs'
import { isQuick, times } from './harness/quick.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Result, Target } from './harness/compare.mjs' */
/** @typedef {{ name: string, port: number, pid: number, perSecond: number[], cpuMs: number[] }} Server */

const CONNECTIONS = 8
const SECONDS = isQuick ? 1 : 2
const REPETITIONS = times(7)
/** Of CPU time in /proc. */
const TICK_MS = 10

/** @param {Place} place */
export default async function serve(place) {
  /** @type {AsyncDisposable[]} */
  const open = []
  try {
    return await measured(await servers(place, open), await loadClient(place, open))
  } finally {
    for (const each of open) await each[Symbol.asyncDispose]()
  }
}

/**
 * @param {Server[]} all
 * @param {(port: number) => Promise<number>} load
 * @returns {Promise<Result[]>}
 */
async function measured(all, load) {
  for (let turn = -1; turn < REPETITIONS; turn++) {
    // Whoever goes first is another one each time.
    for (const server of [...all.slice((turn + 1) % all.length), ...all.slice(0, (turn + 1) % all.length)]) {
      const before = cpuMsOf(server.pid)
      const requests = await load(server.port)
      if (turn < 0) continue
      server.perSecond.push(requests / SECONDS)
      server.cpuMs.push((cpuMsOf(server.pid) - before) / requests)
    }
  }
  const [node, fetched, send, ...others] = all
  if (!node || !fetched || !send) throw new Error('a server is missing')
  return [
    rate(node, send, { atLeast: 2 }),
    rate(fetched, send, { atLeast: 1.5 }),
    // sendfile: the bytes do not pass through nginx. It shows what is left to gain.
    ...others.map((other) => ({ ...rate(node, other), headline: true })),
    ...[send, ...others].map((other) => cpuTime(node, other)),
  ]
}

/**
 * @param {Server} ours
 * @param {Server} theirs
 * @param {Target} [target]
 * @returns {Result}
 */
function rate(ours, theirs, target) {
  return {
    name: `requests a second for a warm 2 MiB file, ${ours.name}`,
    ratio: `${ours.name} / ${theirs.name}`,
    ratios: ratiosOf(ours.perSecond, theirs.perSecond),
    sides: { [ours.name]: spreadOf(ours.perSecond), [theirs.name]: spreadOf(theirs.perSecond) },
    unit: 'a second',
    target,
  }
}

/**
 * @param {Server} ours
 * @param {Server} theirs
 * @returns {Result}
 */
function cpuTime(ours, theirs) {
  return {
    name: 'the server’s own CPU time for one of these requests',
    ratio: `${theirs.name} / ${ours.name}`,
    ratios: ratiosOf(theirs.cpuMs, ours.cpuMs),
    sides: { [ours.name]: spreadOf(ours.cpuMs), [theirs.name]: spreadOf(theirs.cpuMs) },
    unit: 'ms',
    target: undefined,
  }
}

/**
 * Turn by turn.
 * @param {readonly number[]} over
 * @param {readonly number[]} under
 */
function ratiosOf(over, under) {
  return spreadOf(over.map((each, turn) => each / (under[turn] ?? Number.NaN)))
}

/**
 * Ours and `send`, in this order, and the others that there are.
 * @param {Place} place
 * @param {AsyncDisposable[]} open
 * @returns {Promise<Server[]>}
 */
async function servers(place, open) {
  try {
    createRequire(import.meta.url).resolve('send')
  } catch {
    throw new Error('`send` is missing: run `npm ci` in bench/')
  }
  /** @type {Server[]} */
  const all = []
  const modes = { node: 'toNodeHandler', fetch: 'serveResource, for await into node:http', send: 'send on node:http' }
  for (const [mode, name] of Object.entries(modes)) {
    const child = Child.start('./serve-child.mjs', mode, place.folder())
    open.push(child)
    all.push({ name, port: await child.ask('port'), pid: child.pid, perSecond: [], cpuMs: [] })
  }
  if (isThere('nginx')) {
    const folder = place.folder()
    writeFileSync(`${folder}/film.mp4`, Buffer.alloc(2 * 1024 * 1024, 7))
    const nginx = await Nginx.open(folder)
    open.push(nginx)
    all.push({ name: 'nginx, one worker, sendfile', port: nginx.port, pid: nginx.pid, perSecond: [], cpuMs: [] })
  } else place.leftOut.push('nginx, which is not installed (nginx-light)')
  return all
}

/**
 * What loads a server for a while, and gives how many requests it answered.
 * @param {Place} place
 * @param {AsyncDisposable[]} open
 * @returns {Promise<(port: number) => Promise<number>>}
 */
async function loadClient(place, open) {
  if (!isThere('wrk')) {
    place.leftOut.push('wrk, which is not installed: a client in Node loads the servers, and may be what limits nginx')
    const clients = Child.start('./http-clients-child.mjs')
    open.push(clients)
    return (port) => clients.ask('hammer', { port, path: '/film.mp4', clients: CONNECTIONS, ms: SECONDS * 1_000 })
  }
  const run = promisify(execFile)
  return async (port) => {
    const url = `http://127.0.0.1:${port}/film.mp4`
    const { stdout } = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, url])
    const requests = /(\d+) requests in/.exec(stdout)?.[1]
    if (requests === undefined || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk: ${stdout}`)
    return Number(requests)
  }
}

/**
 * CPU time that a process has taken, its threads together.
 * @param {number} pid
 */
function cpuMsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}
