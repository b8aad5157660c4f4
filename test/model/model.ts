import type { Mode } from './operations.js'

export type Purpose = 'fill' | 'rewrite' | 'replace'
export type Refusal = 'REMOVED' | 'WRITER_CLOSED' | 'READER_CLOSED' | 'STORE_CLOSED'

/** One life of a key's bytes: an array, and a mask of those that are there. */
export class Generation {
  /** What the store calls it. */
  id = ''
  readonly key: string
  readonly purpose: Purpose
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  #there: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  length: number | undefined
  validator: string | undefined
  metadata: object | undefined
  committed = false
  removed = false
  failure: Error | undefined
  writer: Writer | undefined
  readonly readers: Set<Reader> = new Set()

  constructor(key: string, purpose: Purpose) {
    this.key = key
    this.purpose = purpose
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length
    if (end > this.bytes.length) {
      this.bytes = grown(this.bytes, end)
      this.#there = grown(this.#there, end)
    }
    this.bytes.set(bytes, position)
    this.#there.fill(1, position, end)
  }

  cut(length: number): void {
    this.#there = this.#there.slice(0, length)
    this.bytes = this.bytes.slice(0, length)
  }

  /** [start, end, start, end, …] of what is there. */
  get coverage(): number[] {
    const flat: number[] = []
    for (let at = 0; ; ) {
      const start = this.#there.indexOf(1, at)
      if (start < 0) return flat
      at = this.coveredEnd(start)
      flat.push(start, at)
    }
  }

  coveredEnd(position: number): number {
    if (this.#there[position] !== 1) return position
    const gap = this.#there.indexOf(0, position)
    return gap < 0 ? this.#there.length : gap
  }

  get end(): number {
    return this.#there.lastIndexOf(1) + 1
  }

  get size(): number {
    const flat = this.coverage
    return flat.reduce((sum, position, index) => sum + (index % 2 === 0 ? -position : position), 0)
  }

  has(start: number, end: number): boolean {
    return start >= end || this.coveredEnd(start) >= end
  }
}

/** What the model knows of a writer that was handed out. */
export class Writer {
  life: Generation
  settled: Refusal | undefined
  wrote = false
  declaredLength = false
  declaredValidator = false
  /** Set since this writer began: describes the bytes that it brings, and so outlives those that it discards. */
  metadata: object | undefined

  constructor(life: Generation) {
    this.life = life
    life.writer = this
  }
}

export class Reader {
  life: Generation
  readonly touch: { touched: boolean }
  refusal: Refusal | undefined

  constructor(life: Generation, touch = { touched: false }) {
    this.life = life
    this.touch = touch
    life.readers.add(this)
  }
}

interface Slots {
  committed: Generation | undefined
  filling: Generation | undefined
  rewriting: Generation | undefined
  readonly replacing: Set<Generation>
}

/** What a store is to hold: a plain map of byte arrays, and what its promises say of them. */
export class Model {
  readonly keys = new Map<string, Slots>()
  readonly pins = new Set<string>()
  /** Of assets, last use last. */
  readonly #uses = new Set<string>()

  touch(asset: string): void {
    this.#uses.delete(asset)
    this.#uses.add(asset)
  }

  /** Assets that hold something to be seen, the one used longest ago first. */
  get assets(): string[] {
    return [...this.#uses].filter((asset) => this.keysOf(asset).some((key) => this.visible(key)))
  }

  keysOf(asset: string): string[] {
    return [...this.keys.keys()].filter((key) => key.startsWith(`${asset}/`))
  }

  /** Unfinished generations included. */
  bytesOf(asset: string): number {
    const lives = this.keysOf(asset).flatMap((key) => this.generations(key))
    return lives.reduce((sum, life) => sum + life.size, 0)
  }

  slots(key: string): Slots {
    const slots = this.keys.get(key) ?? {
      committed: undefined,
      filling: undefined,
      rewriting: undefined,
      replacing: new Set(),
    }
    this.keys.set(key, slots)
    return slots
  }

  visible(key: string): Generation | undefined {
    const { committed, filling } = this.slots(key)
    return committed ?? filling
  }

  generations(key: string): Generation[] {
    const { committed, filling, rewriting, replacing } = this.slots(key)
    return [committed, filling, rewriting, ...replacing].filter((life) => life !== undefined)
  }

  /** What an acquire gives, and whether its caller is to fill it. */
  acquire(key: string, mode: Mode): { readonly life: Generation; readonly fills: boolean } {
    const slots = this.slots(key)
    if (mode === 'fill') {
      if (slots.committed) return { life: slots.committed, fills: false }
      slots.filling ??= new Generation(key, 'fill')
      return { life: slots.filling, fills: slots.filling.writer === undefined }
    }
    if (mode === 'replace') return { life: this.place(new Generation(key, 'replace')), fills: true }
    if (slots.rewriting) return { life: slots.rewriting, fills: slots.rewriting.writer === undefined }
    const life = this.place(new Generation(key, 'rewrite'))
    const from = mode === 'extend' ? slots.committed : undefined
    if (from) {
      life.write(0, from.bytes.slice(0, from.length))
      life.validator = from.validator
      life.metadata = from.metadata
    }
    return { life, fills: true }
  }

  place(life: Generation): Generation {
    const slots = this.slots(life.key)
    if (life.purpose === 'fill') slots.filling = life
    else if (life.purpose === 'rewrite') slots.rewriting = life
    else slots.replacing.add(life)
    return life
  }

  commit(life: Generation, length: number): void {
    life.cut(length)
    life.length = length
    life.committed = true
    life.writer = undefined
    this.#forget(life)
    this.slots(life.key).committed = life
  }

  fail(life: Generation, error: Error): void {
    life.failure = error
    life.writer = undefined
    this.#forget(life)
  }

  release(life: Generation): void {
    life.writer = undefined
    if (life.purpose === 'fill') return
    life.removed = true
    this.#forget(life)
  }

  /** A new generation takes over; readers that read a byte do not go with it. */
  discard(life: Generation): Generation {
    const next = new Generation(life.key, life.purpose)
    this.#forget(life)
    this.place(next)
    life.removed = true
    const { writer } = life
    if (writer) {
      life.writer = undefined
      next.writer = writer
      next.metadata = writer.metadata
      writer.life = next
      writer.wrote = writer.declaredLength = writer.declaredValidator = false
    }
    for (const reader of life.readers) {
      if (reader.touch.touched) reader.refusal ??= 'REMOVED'
      else {
        reader.life = next
        next.readers.add(reader)
      }
    }
    life.readers.clear()
    return next
  }

  /** `false` when nothing was there. */
  remove(key: string): boolean {
    const lives = this.generations(key)
    for (const life of lives) {
      life.removed = true
      if (life.writer) life.writer.settled = 'REMOVED'
      life.writer = undefined
    }
    this.keys.delete(key)
    return lives.length > 0
  }

  /** What nobody holds and nothing came of is not kept. */
  forgetEmpty(): void {
    for (const key of [...this.keys.keys()]) {
      const { filling } = this.slots(key)
      if (!filling || filling.writer || filling.readers.size > 0) continue
      if (filling.end === 0 && filling.length === undefined) this.#forget(filling)
    }
  }

  /** Readers and writers are gone with the store; what was not committed and not to be filled on is, too. */
  close(): void {
    for (const key of [...this.keys.keys()]) {
      const slots = this.slots(key)
      slots.rewriting = undefined
      slots.replacing.clear()
      for (const life of this.generations(key)) {
        life.writer = undefined
        life.readers.clear()
      }
    }
    this.forgetEmpty()
  }

  #forget(life: Generation): void {
    const slots = this.slots(life.key)
    if (slots.filling === life) slots.filling = undefined
    if (slots.rewriting === life) slots.rewriting = undefined
    slots.replacing.delete(life)
  }
}

/** Whether what `writer` declares is another source than the one that its bytes are of. */
export function isAnotherSource(
  writer: Writer,
  length: number | undefined,
  validator: string | null | undefined,
): boolean {
  const { life } = writer
  const bytes = life.size > 0
  const known = life.validator
  if (typeof validator === 'string' && validator !== known) {
    const otherLength =
      life.length !== undefined && (length === undefined ? known !== undefined : length !== life.length)
    return bytes || otherLength
  }
  if (validator === null && known !== undefined && !writer.declaredValidator && bytes) return true
  if (length === undefined || writer.declaredLength) return false
  return (life.length !== undefined && life.length !== length) || (!writer.wrote && life.end > length)
}

function grown(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length)
  larger.set(bytes)
  return larger
}
