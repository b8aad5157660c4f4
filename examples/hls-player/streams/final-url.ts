// Where a playlist came from in the end: what it names is relative to that (RFC 3986 section 5.1.3).
import { type HttpFetch, nodeFetch } from '@cistern/fill'

/** A fetch that tells the address of each answer that is no redirect, and waits for what is made of it. */
export function fetchTelling(answered: (url: string) => Promise<void>): HttpFetch {
  return async (url, init) => {
    const answer = await nodeFetch(url, init)
    if (answer.status < 300) await answered(url)
    return answer
  }
}

/** As it is kept beside the playlist. A query may be secret, and nothing is relative to one. */
export interface CameFrom {
  readonly cameFrom: string
}

export function cameFrom(url: string): CameFrom {
  const { origin, pathname } = new URL(url)
  return { cameFrom: origin + pathname }
}

/** `metadata`: of what was asked for at `asked`. User and password are for their own origin only. */
export function baseOf(metadata: unknown, asked: URL): URL {
  const { cameFrom: from } = (metadata ?? {}) as Partial<CameFrom>
  if (from === undefined || from === cameFrom(asked.href).cameFrom) return asked
  const base = new URL(from)
  if (base.origin !== asked.origin) return base
  base.username = asked.username
  base.password = asked.password
  return base
}
