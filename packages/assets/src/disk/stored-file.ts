import { type BigIntStats, fstatSync, lstatSync } from 'node:fs'
import { FileDriver } from '@cistern/storage'
import type { StoredDriver } from '../base/backend.js'

/** Opens a file of the store. `final`: where it is, or will be, once published. */
export const openStored = (path: string, final: string, options: { readonly writable: boolean }): StoredDriver =>
  stored(FileDriver.open(path, options), final)

/** Creates a part that must not exist yet. */
export const createStored = async (path: string, final: string): Promise<StoredDriver> =>
  stored(await FileDriver.createAside(path), final)

const stored = (driver: FileDriver, final: string): StoredDriver =>
  Object.assign(driver, {
    stat: () => look(fstatSync(driver.fd, { bigint: true })),
    published: () => driver.moved(final),
  })

/** Length and fingerprint of a finished file. Throws what `lstat` throws. */
export function lookAt(path: string): {
  readonly length: number
  readonly fingerprint: string
  readonly links: number
} {
  const stat = lstatSync(path, { bigint: true })
  return { ...look(stat), links: Number(stat.nlink) }
}

/** Inode and time of change: what a replaced or rewritten file cannot share with the one that was recorded. */
const look = (stat: BigIntStats): { readonly length: number; readonly fingerprint: string } => ({
  length: Number(stat.size),
  fingerprint: `${stat.ino.toString(36)}.${stat.mtimeNs.toString(36)}`,
})
