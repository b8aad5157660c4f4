// Many HTTP clients in a process of their own. They look at nothing but how much comes: a client that makes something of
// the bytes would cost more than the server that is measured.
import { once } from 'node:events'
import { connect } from 'node:net'
import { answering } from './child.mjs'

answering({
  /** Milliseconds until the last of them has the whole. */
  fetchAll: async (/** @type {{ port: number, path: string, clients: number, bytes: number }} */ asked) => {
    const sockets = await Promise.all(Array.from({ length: asked.clients }, () => connected(asked.port)))
    const started = performance.now()
    await Promise.all(sockets.map((socket) => fetchOne(socket, asked)))
    return performance.now() - started
  },
  /** Requests that as many connections get answered in so many milliseconds, one after the other on each. */
  hammer: async (/** @type {{ port: number, path: string, clients: number, ms: number }} */ asked) => {
    const until = performance.now() + asked.ms
    const counts = await Promise.all(Array.from({ length: asked.clients }, () => hammerOne(asked, until)))
    return counts.reduce((sum, count) => sum + count, 0)
  },
})

/**
 * @param {{ port: number, path: string }} asked
 * @param {number} until
 * @returns {Promise<number>}
 */
function hammerOne({ port, path }, until) {
  const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  return new Promise((resolve, reject) => {
    let [count, left] = [0, 0]
    /** @param {number} bytes @param {Buffer} buffer */
    const callback = (bytes, buffer) => {
      // A head comes at the beginning of a piece: nobody sends before he is asked.
      if (left === 0) left = lengthOf(buffer.toString('latin1', 0, Math.min(bytes, 4_096)))
      left -= bytes
      if (left > 0) return true
      count++
      if (performance.now() < until) socket.write(request)
      else socket.destroy()
      return true
    }
    const socket = connect({ port, host: '127.0.0.1', onread: { buffer: Buffer.alloc(256 * 1024), callback } })
    socket.on('error', reject).on('close', () => resolve(count))
    socket.write(request)
  })
}

/**
 * Bytes of head and body.
 * @param {string} head
 */
function lengthOf(head) {
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]
  const end = head.indexOf('\r\n\r\n')
  if (!head.startsWith('HTTP/1.1 200 ') || length === undefined || end === -1) throw new Error(`unexpected: ${head}`)
  return end + 4 + Number(length)
}

/** @param {number} port */
async function connected(port) {
  // One piece of memory for all that comes.
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: { buffer: Buffer.alloc(256 * 1024), callback: () => true },
  })
  await once(socket, 'connect')
  return socket
}

/**
 * @param {import('node:net').Socket} socket
 * @param {{ path: string, bytes: number }} asked
 */
async function fetchOne(socket, { path, bytes }) {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  await once(socket, 'close')
  const body = socket.bytesRead - bytes
  // What is over is the head.
  if (body < 50 || body > 2_000) throw new Error(`got ${socket.bytesRead} bytes of ${bytes} and a head`)
}
