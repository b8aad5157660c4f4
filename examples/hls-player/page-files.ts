// The page itself: a handful of files, read once.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'

const SOURCE = new URL('../../hls-player/page/', import.meta.url)
const COMPILED = new URL('./page/', import.meta.url)
const SCRIPTS = ['main', 'bars', 'dom', 'panels', 'playback', 'controls']

export interface PageFiles {
  /** 404 where there is no such file. */
  send(pathname: string, response: ServerResponse): void
}

export async function readPage(): Promise<PageFiles> {
  const html = await readFile(new URL('index.html', SOURCE))
  const files = new Map<string, { readonly type: string; readonly bytes: Uint8Array }>([
    ['/', { type: 'text/html; charset=utf-8', bytes: html }],
    ['/page.css', { type: 'text/css; charset=utf-8', bytes: await readFile(new URL('page.css', SOURCE)) }],
    ['/hls.js', { type: 'text/javascript', bytes: await readFile(new URL(import.meta.resolve('hls.js'))) }],
  ])
  for (const name of SCRIPTS) {
    const bytes = await readFile(new URL(`${name}.js`, COMPILED))
    files.set(`/${name}.js`, { type: 'text/javascript', bytes })
  }
  const policy = policyFor(html.toString())
  return {
    send(pathname, response) {
      const file = files.get(pathname)
      if (!file) return void response.writeHead(404, { 'content-length': 0 }).end()
      response.writeHead(200, {
        'content-type': file.type,
        'content-length': file.bytes.length,
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
        'content-security-policy': policy,
      })
      response.end(file.bytes)
    },
  }
}

/** Nothing from elsewhere; of inline scripts, only the import map that says where hls.js is. hls.js makes blobs. */
function policyFor(html: string): string {
  const importMap = /<script type="importmap">([^<]*)<\/script>/.exec(html)?.[1] ?? ''
  const hash = createHash('sha256').update(importMap).digest('base64')
  return `default-src 'self'; script-src 'self' 'sha256-${hash}' blob:; worker-src 'self' blob:; media-src 'self' blob:; img-src 'self' data:`
}
