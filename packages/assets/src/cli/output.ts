/** Lines collected before they are written. */
const CHUNK = 64 * 1024

/** Standard output, in few writes, for a reader who may be slow, or gone after the first lines as `head` is. */
export class Output {
  readonly #stream: NodeJS.WriteStream
  #pending = ''
  #error: NodeJS.ErrnoException | undefined

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    stream.on('error', (error) => {
      this.#error ??= error
    })
  }

  /** Nobody reads any more: going on is of no use. */
  get isClosed(): boolean {
    return this.#error !== undefined
  }

  async write(text: string): Promise<void> {
    this.#pending += text
    if (this.#pending.length >= CHUNK) await this.flush()
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`)
  }

  /** Resolves once the reader, or the system, has it all. Rejects unless what failed is that nobody reads. */
  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ''
    if (text !== '' && !this.isClosed) await this.#written(text)
    if (this.#error && this.#error.code !== 'EPIPE') throw this.#error
  }

  #written(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(text, (error) => {
        if (error) this.#error ??= error
        resolve()
      })
    })
  }
}
