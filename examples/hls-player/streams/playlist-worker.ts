// Where playlists are parsed: hls-parser does one in one go, which would keep everybody waiting where they are served.
import { parentPort } from 'node:worker_threads'
import { readPlaylist } from './playlist.js'

parentPort?.on('message', ({ number, bytes }: { readonly number: number; readonly bytes: Uint8Array }) => {
  parentPort?.postMessage({ number, read: readPlaylist(bytes) })
})
