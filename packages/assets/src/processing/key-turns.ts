/** One at a time by name, in the order of the calls. */
export class KeyTurns {
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const mine = before ? before.then(work) : work()
    const over = mine.then(ignore, ignore).then(() => {
      if (this.#last.get(name) === over) this.#last.delete(name)
    })
    this.#last.set(name, over)
    return mine
  }
}

function ignore(): void {}
