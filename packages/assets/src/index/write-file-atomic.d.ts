// write-file-atomic 7 comes without types. Only the call that is used here.
declare module 'write-file-atomic' {
  interface Options {
    readonly mode?: number
    /** false: the file belongs to whoever writes it. */
    readonly chown?: false
    /** Of the file. The directory is never synced. */
    readonly fsync?: boolean
  }
  export default function writeFileAtomic(path: string, bytes: Uint8Array, options?: Options): Promise<void>
}
