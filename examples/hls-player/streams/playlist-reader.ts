import { Worker } from 'node:worker_threads'
import type { ReadPlaylist } from './playlist.js'

/** A film of ten hours takes a tenth of that, on a machine that is busy. */
const OVERDUE_MS = 10_000

interface Waiting {
  resolve(read: ReadPlaylist): void
  reject(error: Error): void
  readonly overdue: NodeJS.Timeout
}

/** Reads playlists in a thread of its own, which begins with the first of them. */
export class PlaylistReader implements AsyncDisposable {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #asked = 0

  /** Rejects where there is no end of it, or where this is disposed of meanwhile. */
  read(bytes: Uint8Array): Promise<ReadPlaylist> {
    const number = ++this.#asked
    return new Promise((resolve, reject) => {
      const overdue = setTimeout(() => void this.#end(new Error('reading it takes too long')), OVERDUE_MS)
      this.#waiting.set(number, { resolve, reject, overdue })
      this.#worker ??= this.#begun()
      this.#worker.postMessage({ number, bytes })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end(new Error('no playlist is read any more'))
  }

  #begun(): Worker {
    const worker = new Worker(new URL('./playlist-worker.js', import.meta.url))
    worker.unref()
    worker.on('message', ({ number, read }: { readonly number: number; readonly read: ReadPlaylist }) => {
      const waiting = this.#waiting.get(number)
      this.#waiting.delete(number)
      clearTimeout(waiting?.overdue)
      waiting?.resolve(read)
    })
    worker.on('error', (error) => {
      if (this.#worker === worker) void this.#end(error as Error)
    })
    return worker
  }

  /** The thread knows no other way to stop what it is at; the next playlist gets another one. */
  async #end(error: Error): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    for (const { reject, overdue } of this.#waiting.values()) {
      clearTimeout(overdue)
      reject(error)
    }
    this.#waiting.clear()
    await worker?.terminate()
  }
}
