// Fetches an encrypted HLS stream into a store, decrypted, and reads every byte of it back: see README.md.
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { AssetStore } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { askOrigin } from './ask.js'
import { BIG, BIG_BYTES, BIG_PACE, crashHalfWay, downloadBig } from './big.js'
import { checkGenerated, checkSegments, type Digests } from './check.js'
import { type Download, download, PLAYABLE } from './downloader.js'
import { servedFolder, servedGenerated, startOrigin } from './origin.js'
import { Report } from './report.js'
import { Stopped, stopOnSignals } from './stop.js'

const USAGE = `usage: hls-encrypted [--root DIR] [--mem] [--offline] [--big] [--kill] [--help]
  --root DIR  where the store is (./cache/hls-encrypted)
  --mem       keep everything in memory, nothing on disk
  --offline   start no origin: all must come from the store
  --big       also fetch a generated resource of 64 MiB
  --kill      fetch --big's resource, and end this process with SIGKILL half way through what is missing of it
  --help      say this`

// From dist/hls-encrypted/ to the source folder: the fixture is not compiled, so it is not copied.
const FIXTURE = new URL('../../hls-encrypted/fixture/', import.meta.url)
const ASSET = 'testsrc'

type Flags = NonNullable<ReturnType<typeof readFlags>>

const flags = readFlags()
if (!flags) process.exitCode = 2
else if (flags.help) console.log(USAGE)
else await main(flags)

async function main(flags: Flags): Promise<void> {
  const signal = stopOnSignals()
  try {
    await run(flags, signal)
  } catch (error) {
    // By now the store is closed: whoever asked to stop got what they asked for, everyone else has a problem.
    const reason: unknown = signal.aborted ? signal.reason : error
    if (reason instanceof Stopped) console.log(`${reason.message}: the store is closed`)
    else console.error(describe(error))
    process.exitCode = reason instanceof Stopped ? reason.exitCode : 1
  }
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  await using origin = flags.offline ? undefined : await startOrigin(await servedByOrigin())
  await using store = flags.mem ? await MemStore.open() : await AssetStore.open({ root: flags.root })
  const report = new Report()
  const to = (asset: string): Download => ({ asset: store.asset(asset), ask: askOrigin(origin?.url), report, signal })

  const playlist = await download('index.m3u8', to(ASSET))
  if (flags.big) await downloadBig(to('big'), flags.kill ? crashHalfWay(store) : undefined)

  const digests = JSON.parse(await readFile(new URL('digests.json', FIXTURE), 'utf8')) as Digests
  const segments = playlist.segments.length
  const bytes = await checkSegments(store.asset(ASSET), playlist, digests, signal)
  console.log(`checked: ${segments} segments, ${bytes} bytes, every digest right`)
  if (flags.big)
    console.log(`checked: ${BIG}, ${await checkGenerated(store.asset('big'), BIG, signal)} of ${BIG_BYTES} bytes right`)

  console.log(`\n${report}\n`)
  console.log(`segment requests: ${report.row('segments').requests}, key requests: ${report.row('key').requests}`)
  console.log(await whereItPlays(store))
}

/** A finished file has its own name once it is published, which a checkpoint sees to. */
async function whereItPlays(store: AssetStore): Promise<string> {
  await store.checkpoint()
  using reader = await store.asset(ASSET).open(PLAYABLE)
  return reader.path ? `playable: ffplay ${reader.path}` : 'playable: nowhere, it is all in memory'
}

async function servedByOrigin() {
  const files = await servedFolder(FIXTURE)
  files.set(BIG, servedGenerated(BIG_BYTES, BIG_PACE))
  return (path: string) => files.get(path)
}

/** The flags, or undefined after telling what is wrong with them. */
function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        root: { type: 'string', default: './cache/hls-encrypted' },
        mem: { type: 'boolean', default: false },
        offline: { type: 'boolean', default: false },
        big: { type: 'boolean', default: false },
        kill: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.kill && values.mem) throw new Error('--kill with --mem: nothing would be left to resume')
    return { ...values, big: values.big || values.kill }
  } catch (error) {
    console.error(`${describe(error)}\n${USAGE}`)
    return undefined
  }
}

/** The error and its causes, a line each. What an error says of its cause itself is not said again. */
function describe(error: unknown): string {
  const lines: string[] = []
  for (let at = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
    const line = at instanceof Error ? at.message : String(at)
    if (!lines.at(-1)?.includes(line)) lines.push(line)
  }
  return lines.join('\n  because: ')
}
