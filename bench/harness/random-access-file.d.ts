/** What of `random-access-file` is called: it has no types of its own. */
declare module 'random-access-file' {
  export default class RandomAccessFile {
    constructor(path: string, options?: { readonly writable?: boolean; readonly alloc?: (bytes: number) => Buffer })
    open(done: (error: Error | null) => void): void
    read(position: number, bytes: number, done: (error: Error | null, buffer: Buffer) => void): void
    close(done: (error: Error | null) => void): void
  }
}
