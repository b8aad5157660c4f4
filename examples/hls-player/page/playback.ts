// hls.js, the video, and what is said when it cannot go on.
import Hls, { type ErrorData, type HlsConfig } from 'hls.js'
import { byId } from './dom.js'

const video = byId('video', HTMLVideoElement)
const problem = byId('problem', HTMLParagraphElement)

/** The server tries again by itself: what it gives up has been tried. One more look is for a server that was started anew. */
const LOADING: Partial<HlsConfig> = {
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 15_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: null,
      errorRetry: { maxNumRetry: 1, retryDelayMs: 500, maxRetryDelayMs: 500 },
    },
  },
}

let hls: Hls | undefined

export const playingAt = (): number => video.currentTime

/** Shows the stream whose playlist is at `address`. `isAsked`: somebody pressed a button for it, so it plays at once. */
export function load(address: string, { start = 0, isAsked = false } = {}): void {
  hls?.destroy()
  problem.hidden = true
  if (!Hls.isSupported()) return say('This browser cannot play media that a page puts together.')
  hls = new Hls({ ...LOADING, startPosition: start, maxBufferLength: 12, maxMaxBufferLength: 12 })
  hls.on(Hls.Events.ERROR, (_event, error) => {
    if (error.fatal) say(sentenceOf(error))
  })
  hls.on(Hls.Events.FRAG_BUFFERED, () => {
    problem.hidden = true
  })
  if (isAsked) hls.once(Hls.Events.MANIFEST_PARSED, () => void video.play().catch(() => undefined)) // the browser may say no
  hls.loadSource(address)
  hls.attachMedia(video)
}

/** `message` is what the server said of it, which knows more than the status tells. */
export function explain(message: string): void {
  if (!problem.hidden) say(message)
}

function say(message: string): void {
  problem.textContent = message
  problem.hidden = false
}

function sentenceOf({ details, frag, response }: ErrorData): string {
  const what = frag?.relurl?.split('/').at(-1) ?? 'the playlist'
  const status = response?.code ? `, status ${response.code}` : ''
  return `Cannot go on with ${what}: ${details}${status}`
}
