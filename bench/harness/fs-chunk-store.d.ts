/** What of `fs-chunk-store` is called: it has no types of its own. */
declare module 'fs-chunk-store' {
  export default class FsChunkStore {
    constructor(chunkBytes: number, options: { readonly path: string; readonly length: number })
    get(index: number, done: (error: Error | null, chunk: Uint8Array) => void): void
    close(done: (error: Error | null) => void): void
  }
}
