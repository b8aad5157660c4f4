import { type BigIntStats, fstatSync, lstatSync } from 'node:fs'
import { FileDriver } from '@cistern/storage'
import type { StoredDriver, StoredLook } from '../base/backend.js'

/** Opens a file of the store. `final`: where it is, or will be, once published. */
export function openStored(path: string, final: string, { writable }: { readonly writable: boolean }): StoredDriver {
  let opened: StoredLook | undefined
  const driver = FileDriver.open(path, { writable, seen: (stat) => (opened = look(stat)) })
  return stored(driver, final, writable ? undefined : opened)
}

/** Creates a part that must not exist yet. */
export const createStored = async (path: string, final: string): Promise<StoredDriver> =>
  stored(await FileDriver.createAside(path), final)

/** `opened`: what it looked like when it was opened, for the first who asks, of a file that nobody writes. */
const stored = (driver: FileDriver, final: string, opened?: StoredLook): StoredDriver =>
  Object.assign(driver, {
    stat: () => {
      const seen = opened ?? look(fstatSync(driver.fd, { bigint: true }))
      opened = undefined
      return seen
    },
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
const look = (stat: BigIntStats): StoredLook => ({
  length: Number(stat.size),
  fingerprint: `${stat.ino.toString(36)}.${stat.mtimeNs.toString(36)}`,
})
