// One large resource: what a crash in the middle of it costs.
import { writeSync } from 'node:fs'
import type { AssetStore } from '@cistern/assets'
import { fillGaps } from './ask.js'
import type { Download } from './downloader.js'
import { Progress } from './progress.js'

export const BIG = 'big.bin'
export const BIG_BYTES = 64 * 1024 * 1024
/** About as fast as a good line. A flush (every 100 ms) then sees the bytes come, instead of finding them all there. */
export const BIG_PACE = 32 * 1024 * 1024

/** Fetches what is missing of it. `crash` is told how much of that has come, and may end the process. */
export async function downloadBig({ asset, ask, report, signal }: Download, crash?: Crash): Promise<void> {
  await report.timed(BIG, async (count) => {
    const there = asset.stat(BIG)?.received.size ?? 0
    if (crash && there === BIG_BYTES)
      console.log(`${BIG}: all here, so --kill has nothing to interrupt; delete the store to begin anew`)
    using progress = new Progress(BIG, BIG_BYTES, there)
    const onBytes = async (bytes: number) => {
      progress.advance(bytes)
      await crash?.(count.bytesIn, BIG_BYTES - there)
    }
    using reader = await asset.openOrFill(BIG, fillGaps(BIG, { ask, count, onBytes }), { signal })
    const length = await reader.waitCommit({ signal })
    count.stored = asset.stat(BIG)?.storedBytes ?? 0
    count.cached = length - count.bytesIn
  })
  console.log(`${BIG}: asked for ${report.row(BIG).asked} of ${BIG_BYTES} bytes`)
}

export type Crash = (came: number, missing: number) => Promise<void>

/** Ends this process half way, as if the power switch had been hit: no handler runs, and nothing is flushed. */
export function crashHalfWay(store: AssetStore): Crash {
  let saved = false
  return async (came, missing) => {
    // A flush takes as long as the disk does, and on a busy one half may be here before the first has ended. With a
    // checkpoint at a quarter there is something to resume on any disk; whatever was flushed after it comes on top.
    if (!saved && came >= missing / 4) {
      saved = true
      await store.checkpoint()
    }
    if (came < missing / 2) return
    writeSync(process.stdout.fd, `\n${BIG}: killed by --kill, ${came} of ${missing} missing bytes had come\n`)
    process.kill(process.pid, 'SIGKILL')
  }
}
