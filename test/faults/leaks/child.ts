// One kind of rounds, over and over: `node --expose-gc child.js KIND ROUNDS ROOT`
import { eventLoopTurn } from '../../helpers/deferred.js'
import { openFilesUnder } from '../../helpers/descriptors.js'
import type { LeakReport, Look } from './report.js'
import { KINDS } from './rounds.js'

const LOOKS = 5
const COLLECTIONS = 3 // what finalizers let go of is collected by the next one

const [name = '', roundsText = '', root = ''] = process.argv.slice(2)
const rounds = Number(roundsText)
const kind = KINDS.find((one) => one.name === name)
const collect = globalThis.gc
if (!kind || !collect) throw new Error(`no such rounds, or not run with --expose-gc: ${name}`)
const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))
process.on('unhandledRejection', (error) => warnings.push(`unhandled: ${String(error)}`))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

const circle = await kind.begin(root)
const looks: Look[] = []
for (let fifth = 1; fifth <= LOOKS; fifth++) {
  for (let round = Math.round((rounds * (fifth - 1)) / LOOKS); round < Math.round((rounds * fifth) / LOOKS); round++) {
    await circle.round()
  }
  looks.push(await look(Math.round((rounds * fifth) / LOOKS)))
}
await circle.end()
process.send?.({ looks, warnings } satisfies LeakReport)
process.disconnect()

async function look(round: number): Promise<Look> {
  for (let times = 0; times < COLLECTIONS; times++) {
    collect?.()
    await eventLoopTurn()
  }
  const resources: Record<string, number> = {}
  for (const resource of process.getActiveResourcesInfo()) resources[resource] = (resources[resource] ?? 0) + 1
  return {
    round,
    heap: process.memoryUsage().heapUsed,
    external: process.memoryUsage().external,
    descriptors: openFilesUnder('/').filter((path) => !path.startsWith('/dev/')).length,
    timers: resources.Timeout ?? 0,
    listeners: circle.listeners(),
  }
}
