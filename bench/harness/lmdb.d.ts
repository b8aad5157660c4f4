/** What of `lmdb` is called. It has types of its own, but `npm run check` has to pass where the peers are not installed. */
declare module 'lmdb' {
  export interface RootDatabase {
    /** Resolves once it is committed, as part of a batch. */
    put(key: string, value: object): Promise<boolean>
    /** What was put until now is on the medium. */
    readonly flushed: Promise<boolean>
    close(): Promise<void>
  }

  export function open(options: { readonly path: string; readonly sharedStructuresKey?: symbol }): RootDatabase
}
