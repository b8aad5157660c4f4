import { Child } from './child.mjs'

/**
 * What the origin's answers are like.
 * @typedef {object} OriginFile
 * @property {number} bytes
 * @property {number} [rate] Bytes a second.
 * @property {number} [latency] Milliseconds before the headers.
 */

/** A server that bytes are fetched from, in a process of its own. */
export class Origin {
  #child
  #port

  /**
   * @param {Child} child
   * @param {number} port
   */
  constructor(child, port) {
    this.#child = child
    this.#port = port
  }

  static async open() {
    const child = Child.start('./origin-child.mjs')
    return new Origin(child, await child.ask('port'))
  }

  /**
   * @param {string} name Files of the same name share one line.
   * @param {OriginFile} file
   */
  url(name, { bytes, rate = 0, latency = 0 }) {
    return `http://127.0.0.1:${this.#port}/${name}?bytes=${bytes}&rate=${rate}&latency=${latency}`
  }

  /**
   * Bytes of bodies that it sent since it was last asked.
   * @returns {Promise<number>}
   */
  sent() {
    return this.#child.ask('sent')
  }

  /**
   * Milliseconds until the first request for a name had its headers: what was asked for, as far as timers go.
   * @param {string} name
   * @returns {Promise<number>}
   */
  async latency(name) {
    const ms = await this.#child.ask('latency', name)
    if (ms === undefined) throw new Error(`the origin was not asked for ${name}`)
    return ms
  }

  [Symbol.asyncDispose]() {
    return this.#child[Symbol.asyncDispose]()
  }
}
