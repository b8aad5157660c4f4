/** What of `cacache` is called: it has no types of its own. */
declare module 'cacache' {
  import type { Writable } from 'node:stream'

  interface Cacache {
    put: {
      (cache: string, key: string, bytes: Uint8Array): Promise<unknown>
      stream(cache: string, key: string): Writable & { promise(): Promise<unknown> }
    }
    get(cache: string, key: string): Promise<{ readonly data: Buffer }>
    rm: { all(cache: string): Promise<unknown> }
  }
  const cacache: Cacache
  export default cacache
}
