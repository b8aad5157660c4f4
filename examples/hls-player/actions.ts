// What the page can do: POST /pin, /download, /forget and /line, each with a JSON body.
import type { AssetStore } from '@cistern/assets'
import type { AdjustableLine } from './demo-origin.js'
import type { Stream } from './streams/stream.js'

type Action = (body: unknown) => Promise<void> | void

export interface Actions {
  find(pathname: string): Action | undefined
}

/** What is no object, or has other values than these, is refused by throwing. */
export function actionsOf(store: AssetStore, streams: readonly Stream[], line: AdjustableLine | undefined): Actions {
  const streamOf = (body: unknown): Stream => {
    const stream = streams.find(({ asset }) => asset === (body as { asset?: unknown }).asset)
    if (!stream) throw new Error('no such stream')
    return stream
  }
  const isOn = (body: unknown): boolean => (body as { on?: unknown }).on === true

  const actions = new Map<string, Action>([
    ['/pin', (body) => (isOn(body) ? store.pin(streamOf(body).asset) : store.unpin(streamOf(body).asset))],
    [
      '/download',
      (body) => {
        if (isOn(body)) void streamOf(body).download()
        else streamOf(body).stopDownload()
      },
    ],
    [
      '/forget',
      async (body) => {
        const stream = streamOf(body)
        stream.stop()
        await store.removeAsset(stream.asset)
      },
    ],
  ])
  if (line) actions.set('/line', (body) => line.adjust(body as Record<string, unknown>))
  return { find: (pathname) => actions.get(pathname) }
}
