/** What is asked of a source. */
export interface SourceRequest {
  /** First byte, counted from 0. */
  readonly start: number
  /** The byte behind the last one; `undefined`: all there is from `start`. */
  readonly end: number | undefined
  /**
   * Version that the bytes which are there were written under. A source that has another one by now answers with that,
   * and says so by its validator; it never answers with a part of it as if it were this one.
   */
  readonly validator: string | undefined
  /** Ends the request and its body. */
  readonly signal: AbortSignal
}

/** What a source answers with, once that has proved to be what was asked for. */
export interface SourceResponse {
  /** Position of the body's first byte: what was asked for, or 0 where the source knows no ranges. */
  readonly start: number
  /** The byte behind the body's last one, where that is known. A body that goes on past it is cut off there. */
  readonly end: number | undefined
  /** Bytes in all; `undefined` where the source does not know. */
  readonly total: number | undefined
  /** Says which version the bytes are of; `undefined` where nothing does. */
  readonly validator: string | undefined
  /** The source can begin in the middle. */
  readonly acceptsRanges: boolean
  /** As the source says it; `undefined` where it does not. */
  readonly contentType: string | undefined
  /** Returning from its iteration ends the request. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Where missing bytes come from. Make one with `httpSource` or `fileSource`, or of anything that can begin in the middle. */
export interface Source {
  /**
   * Begins a request and proves its answer. Rejects with `SourceError`, whose `transient` says whether asking again
   * makes sense; with the signal's reason; what else it rejects with counts as permanent.
   */
  open(request: SourceRequest): Promise<SourceResponse>
  /** Sources that name the same one share its limit of requests at a time: `https://example.org` for HTTP. */
  readonly origin?: string | undefined
  /** Attempts after the first for one and the same bytes, before those who wait for them are told. Default 3. */
  readonly retries?: number | undefined
}
