import { Place } from './place.mjs'

/** @type {Map<string, Promise<string>>} */
const made = new Map()
const kept = new Place()
process.on('exit', () => kept[Symbol.dispose]())

/**
 * A folder in memory that `make` fills where it is asked for first; what takes long to make serves all workloads of a run.
 * @param {string} name
 * @param {(folder: string) => Promise<void>} make
 */
export function onceARun(name, make) {
  let folder = made.get(name)
  if (folder === undefined) {
    const fresh = kept.folder({ inMemory: true })
    folder = make(fresh).then(() => fresh)
    made.set(name, folder)
  }
  return folder
}
