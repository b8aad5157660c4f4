// How this example asks its origin: whole resources, or what a writer lacks of one.
import type { Fill, ResourceWriter } from '@cistern/assets'
import type { Count } from './report.js'

export type Ask = (uri: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<Response>

/** Asks below `base`; without one (offline) every question is refused. Resolves for any status. */
export function askOrigin(base: URL | undefined): Ask {
  return async (uri, headers, signal) => {
    if (!base) throw new Error(`offline, and ${uri} is not all in the cache`)
    // fetch would decode gzip and keep the encoded length: what is stored must be what was measured.
    return await fetch(new URL(uri, base), { signal, headers: { 'accept-encoding': 'identity', ...headers } })
  }
}

export interface Asking {
  readonly ask: Ask
  readonly count: Count
  /** Told of each chunk after the one before was taken; the download waits for it. */
  readonly onBytes?: ((bytes: number) => Promise<void>) | undefined
}

/** A fill that asks only for the gaps, and only while the origin still has the version that the bytes at hand are of. */
export function fillGaps(uri: string, asking: Asking): Fill {
  return async (writer, signal) => {
    let total: number | undefined // until a response says
    for (const gap of missing(writer)) {
      if (total !== undefined && gap.start >= total) return
      const response = await asking.ask(uri, gap.headers, signal)
      total = totalOf(response)
      asking.count.requests += 1
      asking.count.asked += Math.max(0, (gap.end ?? total ?? gap.start) - gap.start)

      // All of it is here; only its length was not known.
      if (response.status === 416 && total === gap.start) return
      const at = await positionOf(response, gap.start, writer, uri)
      await writer.declare({ length: total, validator: response.headers.get('etag') })
      await writer.writeFrom(counted(response, asking), { at, signal })
      // The whole, whatever was asked for: no other gap is left.
      if (response.status === 200) return
    }
  }
}

interface Gap {
  readonly start: number
  /** Undefined: whatever follows. */
  readonly end: number | undefined
  readonly headers: Readonly<Record<string, string>>
}

function missing({ coverage, validator }: ResourceWriter): readonly Gap[] {
  // If-Range takes strong validators only (RFC 9110, section 13.1.5). Without one, nobody can say what a range would be of.
  const resumable = coverage.size > 0 && validator !== undefined && !validator.startsWith('W/')
  if (!resumable) return [{ start: 0, end: undefined, headers: {} }]
  // Collected first: coverage is live, and grows while the gaps are filled.
  return [...coverage.gaps(0, Number.MAX_SAFE_INTEGER)].map(({ start, end }) => {
    const open = end === Number.MAX_SAFE_INTEGER
    const headers = { range: `bytes=${start}-${open ? '' : end - 1}`, 'if-range': validator }
    return { start, end: open ? undefined : end, headers }
  })
}

/** Where the body belongs. Nothing is written before the response said so itself. */
async function positionOf(response: Response, asked: number, writer: ResourceWriter, uri: string): Promise<number> {
  if (response.status === 200) return 0
  const range = response.headers.get('content-range') ?? ''
  if (response.status === 206 && range.startsWith(`bytes ${asked}-`)) return asked
  await response.body?.cancel()
  // What is here reaches past the end of what the origin has: it is of no version that could be finished.
  if (response.status === 416) await writer.discard()
  throw new Error(`origin: ${response.status} ${range} for ${uri}`)
}

/** Bytes of the whole resource. Content-Length says that only where the body is the whole. */
function totalOf(response: Response): number | undefined {
  const range = response.headers.get('content-range')
  const total = response.status === 200 ? response.headers.get('content-length') : range?.slice(range.indexOf('/') + 1)
  return total && /^\d+$/.test(total) ? Number(total) : undefined
}

async function* counted(response: Response, { count, onBytes }: Asking): AsyncGenerator<Uint8Array> {
  for await (const chunk of response.body ?? []) {
    count.bytesIn += chunk.length
    yield chunk
    await onBytes?.(chunk.length)
  }
}
