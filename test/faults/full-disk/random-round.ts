import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'
import { History } from '../history.js'
import { Kept } from '../kept.js'
import { FILM_KEYS, FILMS, FILMS_ALONE } from '../keys.js'
import { pause } from '../owners/loose-work.js'
import { reportsIn } from '../report.js'
import { examine } from '../survivors.js'
import { Disk } from './disk.js'

export interface RandomOutcome {
  readonly violations: readonly string[]
  readonly line: string
  readonly degraded: number
  readonly restored: number
  readonly evictions: number
}

const SETTLING_MS = 20_000

/** A busy store on a disk that somebody else fills and frees, then killed in the middle, or with room again and closed. */
export async function randomRound(folder: string, seed: number): Promise<RandomOutcome> {
  const random = randomNumbers(seed)
  const durability = randomChoice(random, ['ordered', 'strict', 'relaxed'] as const)
  const mib = randomInteger(random, 5, 17)
  const path = join(folder, 'disk')
  mkdirSync(path)
  using disk = random() < 0.8 ? Disk.tmpfs(path, mib) : Disk.ext4(path, join(folder, 'image'), mib + 4)
  const root = join(path, 'store')
  await using child = spawnChild(new URL('./busy-child.js', import.meta.url), {
    args: [root, String(seed), durability],
  })
  await child.printed('"opened"')
  const bouts = await fillAndFree(disk, random)
  const isKilled = random() < 0.5
  disk.free()
  const violations = isKilled ? await killed(child) : await settled(child, disk)
  const reports = reportsIn(child.stdout)
  for (const report of reports) if (report.is === 'violation') violations.push(report.what)
  const words = child.stderr.split('\n')
  const strange = words.filter((word) => !['', 'degraded', 'restored', 'evict'].includes(word))
  if (strange.length > 0) violations.push(`it said: ${strange.join(' ')}`)
  const history = historyOf(reports, durability)
  disk.makeRoom()
  const kept = new Kept(folder)
  kept.aside(root)
  const found = await examine(root, history, FILMS_ALONE)
  violations.push(...found.violations)
  const count = (event: string) => words.filter((word) => word === event).length
  const [degraded, restored, evictions] = [count('degraded'), count('restored'), count('evict')]
  const place = violations.length > 0 ? `; the store as it was left: ${kept.forGood(child.stdout)}` : ''
  const line =
    `${durability}, filled ${bouts} times, ${isKilled ? 'killed' : 'closed'}: ${degraded}× degraded, ${restored}× restored, ` +
    `${evictions} evictions; left ${found.committed} committed, ${found.partial} partial${place}`
  return { violations: violations.slice(0, 10), line, degraded, restored, evictions }
}

async function fillAndFree(disk: Disk, random: () => number): Promise<number> {
  const bouts = randomInteger(random, 3, 9)
  for (let bout = 0; bout < bouts; bout++) {
    await pause(randomInteger(random, 20, 200))
    disk.fill(random() < 0.6 ? 0 : randomInteger(random, 1, 600_000))
    await pause(randomInteger(random, 20, 350))
    if (random() < 0.85) disk.free()
  }
  return bouts
}

async function killed(child: Child): Promise<string[]> {
  const { signal } = await child.kill()
  return signal === 'SIGKILL' ? [] : ['it had ended by itself']
}

async function settled(child: Child, disk: Disk): Promise<string[]> {
  const late = pause(SETTLING_MS).then(() => undefined)
  child.send('rest')
  await Promise.race([child.nextMessage(), late])
  disk.makeRoom()
  child.send('settle')
  const exit = await Promise.race([child.exited, late])
  if (exit === undefined) return [`with room again it was not closed in ${SETTLING_MS} ms`]
  return exit.code === 0 ? [] : [`with room again it ended with ${exit.code ?? exit.signal}`]
}

function historyOf(reports: ReturnType<typeof reportsIn>, durability: Durability): History {
  const history = new History(
    FILM_KEYS.map(({ id }) => id),
    FILMS,
    durability,
  )
  for (const report of reports) history.add(report)
  return history
}
