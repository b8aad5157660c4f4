import { Readable } from 'node:stream'
import { onAbort } from './abort.js'
import type { Cursor } from './cursor.js'
import type { Bytes } from './types.js'

/** `chunks()`: an async generator that lets go of its cursor also when it is returned before it began. */
export function chunksOf(cursor: Cursor): AsyncIterableIterator<Bytes> {
  const steps = generate(cursor)
  const end = steps.return.bind(steps)
  steps.return = (value) => {
    cursor.close()
    return end(value)
  }
  return steps
}

async function* generate(cursor: Cursor): AsyncGenerator<Bytes, void, undefined> {
  try {
    for (;;) {
      const chunk = await cursor.next()
      if (chunk === undefined) return
      yield chunk
    }
  } finally {
    cursor.close()
  }
}

/** `toReadable()`: one chunk is read ahead. */
export function readableOf(cursor: Cursor, signal: AbortSignal | undefined): Readable {
  let stop: (() => void) | undefined
  const readable = new Readable({
    highWaterMark: cursor.chunkSize,
    read() {
      cursor.next().then(
        (chunk) => readable.push(chunk ?? null),
        (error: Error) => readable.destroy(error),
      )
    },
    destroy(error, callback) {
      stop?.()
      cursor.close()
      callback(error)
    },
  })
  if (signal?.aborted) readable.destroy(signal.reason)
  else if (signal !== undefined) stop = onAbort(signal, () => readable.destroy(signal.reason))
  return readable
}

/** `toWeb()`: nothing is read before it is asked for. */
export function webOf(cursor: Cursor, signal: AbortSignal | undefined): ReadableStream<Bytes> {
  let stop: (() => void) | undefined
  const close = () => {
    stop?.()
    cursor.close()
  }
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        const abort = () => {
          close()
          controller.error(signal?.reason)
        }
        if (signal?.aborted) abort()
        else if (signal !== undefined) stop = onAbort(signal, abort)
      },
      async pull(controller) {
        const chunk = await cursor.next().catch((error: unknown) => {
          close()
          throw error
        })
        if (chunk !== undefined) return controller.enqueue(chunk)
        // Aborted or cancelled meanwhile: the stream has its end already.
        if (signal?.aborted) return
        close()
        controller.close()
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  )
}
