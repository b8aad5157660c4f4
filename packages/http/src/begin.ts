import type { ResourceReader } from '@cistern/assets'
import { BodyReader } from './body-reader.js'
import type { ServeOptions } from './options.js'
import { type PlannedRequest, planResponse, type ResponsePlan, refusalFor } from './plan.js'

/** A response of which the first bytes are read already. */
export interface BegunResponse<Piece extends Uint8Array> {
  readonly plan: ResponsePlan
  /** `undefined`: there are no bytes to send. */
  readonly body: { readonly reader: BodyReader; readonly first: Piece; readonly bytes: number } | undefined
}

/** Where the memory for pieces comes from, and goes to. */
export interface Pieces<Piece extends Uint8Array> {
  /** Bytes of one piece at most. */
  readonly max: number
  take(bytes: number): Piece
  giveBack(piece: Piece): void
}

/**
 * Plans a response and reads its first piece. The plan is certain only then: until a byte is read, another generation
 * may take over, with other validators and another length. From then on the reader sees this one or fails.
 * Rejects with nothing but the signal's reason.
 */
export async function beginResponse<Piece extends Uint8Array>(
  request: PlannedRequest,
  reader: ResourceReader,
  options: ServeOptions,
  pieces: Pieces<Piece>,
): Promise<BegunResponse<Piece>> {
  for (;;) {
    const plan = await planResponse(request, reader, options)
    if (plan.body === undefined || plan.body.start === plan.body.end) return { plan, body: undefined }
    const body = new BodyReader(reader, plan.body)
    const ready = body.ready(pieces.max)
    if (ready === 0) continue
    const first = pieces.take(ready)
    try {
      const bytes = await body.read(first.subarray(0, ready))
      if (bytes > 0 && reader.generation === plan.generation) return { plan, body: { reader: body, first, bytes } }
    } catch (error) {
      return { plan: refusalFor(error, request), body: undefined }
    }
    pieces.giveBack(first)
  }
}
