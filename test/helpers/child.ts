import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  readonly args?: readonly string[] | undefined
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Flags of node itself, such as `--expose-gc`. */
  readonly nodeFlags?: readonly string[] | undefined
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * Another process that runs a compiled test module, e.g. `spawnChild(new URL('./holder.js', import.meta.url))`.
 * It talks over IPC; what it prints is kept. Disposing kills it.
 */
export function spawnChild(module: URL, options: ChildOptions = {}): Child {
  return new Child(module, options)
}

export class Child implements AsyncDisposable {
  readonly process: ChildProcess
  /** Resolves once it ended and its output was read to the end. Never rejects. */
  readonly exited: Promise<ChildExit>
  /** Every message so far that nobody asked for. */
  readonly #messages: unknown[] = []
  readonly #asked: { resolve(message: unknown): void; reject(error: Error): void }[] = []
  readonly #watched = new Set<{ readonly text: string; resolve(): void; reject(error: Error): void }>()
  #stdout = ''
  #stderr = ''
  #ended = false

  constructor(module: URL, { args = [], env = {}, nodeFlags = [] }: ChildOptions) {
    this.process = fork(fileURLToPath(module), args, {
      execArgv: ['--enable-source-maps', ...nodeFlags],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env }, // a child of a test is not a test file itself
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.process.on('message', (message) => {
      const asker = this.#asked.shift()
      if (asker) asker.resolve(message)
      else this.#messages.push(message)
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#tellWatchers()
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.exited = new Promise((resolve) => {
      this.process.on('error', (error) => {
        this.#stderr += `${error}\n`
        if (this.process.pid === undefined) this.#end(resolve, { code: null, signal: null })
      })
      this.process.on('close', (code, signal) => this.#end(resolve, { code, signal }))
    })
  }

  get pid(): number | undefined {
    return this.process.pid
  }

  /** What it printed so far. */
  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Messages that came and that no `nextMessage` took, oldest first; they are taken by this. */
  takeMessages(): unknown[] {
    return this.#messages.splice(0)
  }

  /** The next message, in order of sending. Rejects with what the child printed when it ended without one. */
  nextMessage(): Promise<unknown> {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift())
    if (this.#ended) return Promise.reject(this.#endedError())
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }))
  }

  /** Resolves once `text` stands in what it printed. Rejects when it ended without. */
  printed(text: string): Promise<void> {
    if (this.#stdout.includes(text)) return Promise.resolve()
    if (this.#ended) return Promise.reject(this.#endedError())
    return new Promise((resolve, reject) => this.#watched.add({ text, resolve, reject }))
  }

  send(message: Serializable): void {
    this.process.send(message)
  }

  /** Ends it with `signal` and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ChildExit> {
    this.process.kill(signal)
    return this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill()
  }

  #tellWatchers(): void {
    for (const watcher of this.#watched) {
      if (!this.#stdout.includes(watcher.text)) continue
      this.#watched.delete(watcher)
      watcher.resolve()
    }
  }

  #end(resolve: (exit: ChildExit) => void, exit: ChildExit): void {
    this.#ended = true
    for (const asker of [...this.#asked.splice(0), ...this.#watched]) asker.reject(this.#endedError())
    this.#watched.clear()
    resolve(exit)
  }

  #endedError(): Error {
    return new Error(`the child ended before that\n${this.#stdout}${this.#stderr}`)
  }
}
