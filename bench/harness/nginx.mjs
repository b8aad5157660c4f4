import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as elapsed } from 'node:timers/promises'

/** Whether a program is installed. @param {string} program */
export function isThere(program) {
  return spawnSync('which', [program]).status === 0
}

/** nginx with one worker, which is the process itself, so that its time can be told; it serves a folder's files. */
export class Nginx {
  #process

  /**
   * @param {import('node:child_process').ChildProcess} process
   * @param {number} port
   */
  constructor(process, port) {
    this.#process = process
    this.port = port
  }

  /** @param {string} folder */
  static async open(folder) {
    const port = await freePort()
    chmodSync(folder, 0o755)
    writeFileSync(`${folder}/nginx.conf`, configuration(folder, port))
    const process = spawn('nginx', ['-p', folder, '-c', `${folder}/nginx.conf`], { stdio: 'ignore' })
    const nginx = new Nginx(process, port)
    for (let attempts = 0; !(await answers(port)); attempts++) {
      if (attempts > 100 || process.exitCode !== null) throw new Error('nginx does not start')
      await elapsed(50)
    }
    return nginx
  }

  get pid() {
    return /** @type {number} */ (this.#process.pid)
  }

  async [Symbol.asyncDispose]() {
    if (this.#process.exitCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill()
    await gone
  }
}

/**
 * @param {string} folder
 * @param {number} port
 */
function configuration(folder, port) {
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type video/mp4;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}

/** @param {number} port */
async function answers(port) {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isOpen
}
