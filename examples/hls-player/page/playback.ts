// hls.js, the video, and what is said when it cannot go on.
import Hls, { type ErrorData, type HlsConfig } from 'hls.js'
import { byId } from './dom.js'

const video = byId('video', HTMLVideoElement)
const trouble = byId('trouble', HTMLDivElement)
const problem = byId('problem', HTMLParagraphElement)
const again = byId('again', HTMLButtonElement)

/** The server tries again by itself: what it gives up has been tried. One more look is for a server that was started anew. */
const LOADING: Partial<HlsConfig> = {
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 15_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: null,
      // Whatever the status: what was forgotten on purpose is 404 to who was being sent it.
      errorRetry: {
        maxNumRetry: 1,
        retryDelayMs: 500,
        maxRetryDelayMs: 500,
        shouldRetry: (_retry, count) => count < 1,
      },
    },
  },
}

let hls: Hls | undefined
/** Begins what was given up once more; `undefined`: nothing was. */
let retry: (() => void) | undefined

again.addEventListener('click', resume)
for (const wish of ['play', 'seeking']) video.addEventListener(wish, resume)

export const playingAt = (): number => video.currentTime

/** Shows the stream whose playlist is at `address`. `isAsked`: somebody pressed a button for it, so it plays at once. */
export function load(address: string, { start = 0, isAsked = false } = {}): void {
  hls?.destroy()
  settle()
  if (!Hls.isSupported()) return say('This browser cannot play media that a page puts together.')
  hls = new Hls({ ...LOADING, startPosition: start, maxBufferLength: 12, maxMaxBufferLength: 12 })
  hls.on(Hls.Events.ERROR, (_event, error) => {
    if (!error.fatal) return
    say(sentenceOf(error))
    retry = error.frag && error.type === Hls.ErrorTypes.NETWORK_ERROR ? () => hls?.startLoad() : () => reload(address)
  })
  if (isAsked) hls.once(Hls.Events.MANIFEST_PARSED, () => void video.play().catch(() => undefined)) // the browser may say no
  hls.loadSource(address)
  hls.attachMedia(video)
}

/** Goes on where it was given up, if it was. */
export function resume(): void {
  const begin = retry
  if (!begin) return
  settle()
  begin()
}

function reload(address: string): void {
  load(address, { start: video.currentTime, isAsked: !video.paused })
}

function settle(): void {
  retry = undefined
  if (trouble.contains(document.activeElement)) video.focus()
  trouble.hidden = true
}

/** `message` is what the server said of it, which knows more than the status tells. */
export function explain(message: string): void {
  if (!trouble.hidden) say(message)
}

function say(message: string): void {
  problem.textContent = message
  trouble.hidden = false
}

function sentenceOf({ details, frag, response }: ErrorData): string {
  const what = frag?.relurl?.split('/').at(-1) ?? 'the playlist'
  const status = response?.code ? `, status ${response.code}` : ''
  return `Cannot go on with ${what}: ${details}${status}`
}
