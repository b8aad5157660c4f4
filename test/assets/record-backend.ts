import type { Backend, BackendFile, StoredDriver } from '@cistern/assets'
import { NotFoundError } from '@cistern/storage'

/** Bytes as somebody's database might hold them: a sorted list of [position, bytes], and no name but that of a row. */
interface Row {
  readonly generation: string
  readonly pieces: Map<number, Uint8Array>
  length: number
}

const PIECE_BYTES = 16 * 1024

/** A backend by a third party: only what `Backend` demands, nothing optional, and every step takes a while. */
export class RecordBackend implements Backend {
  readonly #rows = new Map<string, Row>()
  /** Generation that has the final name. */
  readonly #finals = new Map<string, string>()

  async open({ name, generation, state }: BackendFile): Promise<StoredDriver> {
    await later()
    const id = `${name}#${generation}`
    if (state === 'new') {
      if (this.#rows.has(id)) throw new Error(`${id} exists`)
      this.#rows.set(id, { generation, pieces: new Map(), length: 0 })
    }
    const row = this.#rows.get(id)
    if (row === undefined) throw new NotFoundError(`no row ${id}`)
    return new RowDriver(row)
  }

  async publish(name: string, generation: string, length: number): Promise<string> {
    await later()
    const row = this.#rows.get(`${name}#${generation}`)
    if (row?.length !== length) throw new Error(`${name}#${generation} has ${row?.length} bytes, not ${length}`)
    const before = this.#finals.get(name)
    if (before !== undefined && before !== generation) this.#rows.delete(`${name}#${before}`)
    this.#finals.set(name, generation)
    return generation
  }

  async remove(name: string, generation: string, published: boolean): Promise<void> {
    await later()
    const isFinal = this.#finals.get(name) === generation
    if (isFinal && !published) return
    this.#rows.delete(`${name}#${generation}`)
    if (isFinal) this.#finals.delete(name)
  }

  async *list(): AsyncGenerator<{ readonly name: string; readonly generation: string | undefined }> {
    await later()
    for (const [id, { generation }] of [...this.#rows]) {
      const name = id.slice(0, id.lastIndexOf('#'))
      yield { name, generation: this.#finals.get(name) === generation ? undefined : generation }
    }
  }
}

class RowDriver implements StoredDriver {
  readonly #row: Row
  #closed = false

  constructor(row: Row) {
    this.#row = row
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    await later()
    this.#assertOpen()
    const size = Math.max(0, Math.min(target.length, this.#row.length - position))
    for (let done = 0; done < size; ) {
      const within = (position + done) % PIECE_BYTES
      const step = Math.min(PIECE_BYTES - within, size - done)
      const piece = this.#row.pieces.get(position + done - within)
      target.set(piece?.subarray(within, within + step) ?? new Uint8Array(step), done)
      done += step
    }
    return size
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    await later()
    this.#assertOpen()
    let at = position
    for (const part of parts) {
      for (let done = 0; done < part.length; ) {
        const within = at % PIECE_BYTES
        const step = Math.min(PIECE_BYTES - within, part.length - done)
        const piece = this.#row.pieces.get(at - within) ?? new Uint8Array(PIECE_BYTES)
        piece.set(part.subarray(done, done + step), within)
        this.#row.pieces.set(at - within, piece)
        done += step
        at += step
      }
    }
    this.#row.length = Math.max(this.#row.length, at)
  }

  async sync(): Promise<void> {
    await later()
    this.#assertOpen()
  }

  async truncate(length: number): Promise<void> {
    await later()
    this.#row.length = length
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error(`row ${this.#row.generation} was closed`)
  }
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
