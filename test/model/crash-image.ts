import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventLoopTurn } from '../helpers/deferred.js'

/**
 * Copies the folder of an open store as it stands between two calls to the system: what a `kill -9` at that moment would
 * leave, memory lost and all that the system was given kept. In the copy its owner is a process that is gone.
 */
export async function copyAsAfterKill(root: string, copy: string): Promise<void> {
  await untilNoneIsUnderWay()
  cpSync(root, copy, { recursive: true, preserveTimestamps: true })
  const index = join(copy, '_index')
  rmSync(join(index, 'lock'), { recursive: true, force: true })
  const { startTime } = JSON.parse(readFileSync(join(index, 'owner'), 'utf8')) as { startTime?: string }
  if (startTime === undefined) return // not Linux: opening says that the owner lives
  writeFileSync(
    join(index, 'owner'),
    readFileSync(join(index, 'owner'), 'utf8').replace(`"startTime":"${startTime}"`, '"startTime":"1"'),
  )
  const claims = join(index, 'claim')
  for (const name of readdirSync(claims)) {
    renameSync(join(claims, name), join(claims, name.replace(`,${startTime},`, ',1,')))
  }
}

/** Files that change while they are copied would be a state that never was. */
async function untilNoneIsUnderWay(): Promise<void> {
  while (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))) await eventLoopTurn()
}
