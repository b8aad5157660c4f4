import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of its own that answers one question at a time: see `answering`. */
export class Child {
  #process

  /** @param {import('node:child_process').ChildProcess} process */
  constructor(process) {
    this.#process = process
  }

  /**
   * Starts a file of this folder.
   * @param {string} file
   * @param {...string} parameters
   */
  static start(file, ...parameters) {
    return new Child(fork(fileURLToPath(new URL(file, import.meta.url)), parameters, { serialization: 'advanced' }))
  }

  get pid() {
    return /** @type {number} */ (this.#process.pid)
  }

  /**
   * @param {string} name
   * @param {unknown} [value]
   * @returns {Promise<any>}
   */
  async ask(name, value) {
    const waiting = new AbortController()
    const { signal } = waiting
    try {
      const answer = once(this.#process, 'message', { signal })
      const gone = once(this.#process, 'exit', { signal }).then(([code]) => {
        throw new Error(`the process that was asked for ${name} ended with ${code}`)
      })
      gone.catch(() => undefined) // nobody waits for it once there is an answer
      this.#process.send({ name, value })
      const [told] = await Promise.race([answer, gone])
      if ('failure' in told) throw new Error(`${name}: ${told.failure}`)
      return told.result
    } finally {
      waiting.abort()
    }
  }

  async [Symbol.asyncDispose]() {
    if (this.#process.exitCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill()
    await gone
  }
}

/**
 * In the child: what it answers, by name. It ends with its parent.
 * @param {Record<string, (value: any) => unknown>} answers
 */
export function answering(answers) {
  process.on('disconnect', () => process.exit())
  process.on('message', async (/** @type {{ name: string, value: unknown }} */ { name, value }) => {
    try {
      process.send?.({ result: await answers[name]?.(value) })
    } catch (error) {
      process.send?.({ failure: error instanceof Error ? error.stack : String(error) })
    }
  })
}
