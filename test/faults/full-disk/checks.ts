import { once } from 'node:events'
import { type AssetStore, CisternError, type CisternErrorCode, ResourceKey, type ResourceWriter } from '@cistern/assets'
import { complaint, contentOf } from '../content.js'

/** What a scenario found: each check that did not hold, as a sentence. */
export class Checks {
  readonly violations: string[] = []
  readonly #about: string

  constructor(about: string) {
    this.#about = about
  }

  that(holds: boolean, otherwise: string): void {
    if (!holds) this.violations.push(`${this.#about}: ${otherwise}`)
  }

  /** `step` rejects with this code, and with this errno under it. Returns the error. */
  async rejects(
    what: string,
    step: Promise<unknown>,
    code: CisternErrorCode,
    errno?: string,
  ): Promise<Error | undefined> {
    try {
      await step
      this.that(false, `${what} did not reject`)
    } catch (error) {
      this.that(CisternError.is(error, code), `${what} rejected with ${told(error)}, not with ${code}`)
      const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined
      if (errno !== undefined) this.that(cause === errno, `${what}: the cause of ${told(error)} is not ${errno}`)
      return error instanceof Error ? error : undefined
    }
    return undefined
  }

  async resolves(what: string, step: Promise<unknown>): Promise<void> {
    await step.catch((error: unknown) => this.that(false, `${what} rejected: ${told(error)}`))
  }

  /** The event comes in time: nobody has to do anything for it. */
  async comes(store: AssetStore, event: 'degraded' | 'restored', begin: () => unknown): Promise<void> {
    const came = once(store, event, { signal: AbortSignal.timeout(10_000) }).then(
      () => true,
      () => false,
    )
    await begin()
    this.that(await came, `no ${event} came`)
  }

  async serves(store: AssetStore, id: string, nonce: number, length: number): Promise<void> {
    try {
      const bytes = await store.get(ResourceKey.parse(id))
      this.that(bytes?.length === length, `${id} has ${bytes?.length} bytes, not ${length}`)
      const wrong = bytes && complaint(id, nonce, 0, bytes)
      this.that(!wrong, `${wrong}`)
    } catch (error) {
      this.that(false, `${id} cannot be read: ${told(error)}`)
    }
  }
}

export const told = (error: unknown): string =>
  error instanceof Error
    ? `${error.name}: ${error.message}${error.cause ? `, because ${told(error.cause)}` : ''}`
    : String(error)

export async function put(store: AssetStore, id: string, nonce: number, length: number): Promise<void> {
  await store.put(ResourceKey.parse(id), contentOf(id, nonce, 0, length))
}

/** All that is missing of it. */
export async function fillGaps(writer: ResourceWriter, id: string, nonce: number, length: number): Promise<void> {
  for (const { start, end } of [...writer.coverage.gaps(0, length)])
    await writer.writeFrom(inPieces(contentOf(id, nonce, start, end)), { at: start })
}

function* inPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 64 * 1024) yield bytes.subarray(start, start + 64 * 1024)
}
