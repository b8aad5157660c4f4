/** Headers as `fetch` gives them, as far as they are looked at. */
export interface HttpHeaders {
  /** Names are looked up without regard to case; `null`: not there. */
  get(name: string): string | null
}

/** What is looked at of an answer: `Response` has it, and so have those of other implementations. */
export interface HttpAnswer {
  /** As the server said it; a redirect too. */
  readonly status: number
  /** As the server sent them. */
  readonly headers: HttpHeaders
  /** Pieces as they come. */
  readonly body: AsyncIterable<Uint8Array> | null
}

/** How a request is made. */
export interface HttpFetchInit {
  /** Nothing else is asked. */
  readonly method: 'GET'
  /** Those of the caller, and the source's own. */
  readonly headers: Record<string, string>
  /** Redirects come back as they are: the source follows them itself. */
  readonly redirect: 'manual'
  /** Ends the request and its body. */
  readonly signal: AbortSignal
}

/** Any function with the shape of `fetch`. It must not follow redirects, and must end with its signal. */
export type HttpFetch = (url: string, init: HttpFetchInit) => Promise<HttpAnswer>

/** Lets go of an answer whose body nobody is going to read. */
export function discard({ body }: HttpAnswer): void {
  const stream = body as { cancel?(): Promise<void>; destroy?(): void } | null
  // One that has failed already rejects with that, and it was of no interest.
  if (stream?.cancel) stream.cancel().catch(() => undefined)
  else stream?.destroy?.()
}

/**
 * What `httpSource` asks with by default: Node's own, to be wrapped. By its standard it adds Accept-Encoding: identity where
 * there is a Range, and the source's would make two of it.
 */
export const nodeFetch: HttpFetch = (url, { headers: { 'accept-encoding': _, ...headers }, ...init }) =>
  fetch(url, { ...init, headers })
