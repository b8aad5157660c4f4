import { InvalidKeyError } from '@cistern/storage'

/** Bytes of one component; its letters are ASCII, so letters count as bytes. */
export const MAX_COMPONENT_BYTES = 96
/** Bytes of a path, slashes included. */
const MAX_PATH_BYTES = 1024
/** Ends the name of a file that is being written. */
export const RESERVED_SUFFIX = '.part'
/** Starts the name of the folder that holds the index. */
const RESERVED_ASSET_PREFIX = '_index'

const FOREIGN_LETTER = /[^A-Za-z0-9._\-~%+=@,]/u
/** Windows opens the device for these names, whatever the case and whatever follows the first dot. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$) *(?:\.|$)/i
const SHOWN_LETTERS = 120

/**
 * The rule that `component` breaks, or `undefined` when it is portable: a name that every file system takes as it is,
 * and that means the same file everywhere.
 */
export function brokenRule(component: string): string | undefined {
  if (component === '') return 'it is empty'
  if (component === '.' || component === '..') return 'it means a folder, not a name'
  // Looked at before the letters, since `$` would hide what is really wrong with CONIN$.
  if (isDeviceName(component)) return 'it is the name of a Windows device'
  if (component.endsWith(' ') || component.endsWith('.')) return 'it ends in a dot or a space, which Windows drops'
  const foreign = FOREIGN_LETTER.exec(component)
  if (foreign) return `it holds ${quoted(foreign[0])}; allowed are ASCII letters, digits and . _ - ~ % + = @ ,`
  if (component.length > MAX_COMPONENT_BYTES)
    return `it has ${component.length} bytes, of at most ${MAX_COMPONENT_BYTES}`
  if (hasReservedSuffix(component)) return `the suffix ${RESERVED_SUFFIX} is reserved for files being written`
  return undefined
}

/** Throws `InvalidKeyError` unless `asset` is one portable component outside what the index calls its own. */
export function checkAsset(asset: unknown): asserts asset is string {
  if (typeof asset !== 'string') throw new InvalidKeyError(`an asset is a string, not ${typeof asset}`)
  const rule =
    brokenRule(asset) ??
    (hasReservedPrefix(asset) ? `names starting ${RESERVED_ASSET_PREFIX} belong to the index` : undefined)
  if (rule) throw new InvalidKeyError(`invalid asset ${quoted(asset)}: ${rule}`)
}

/** Throws `InvalidKeyError` unless `path` is portable components with single slashes between them. */
export function checkPath(path: unknown): asserts path is string {
  if (typeof path !== 'string') throw new InvalidKeyError(`a path is a string, not ${typeof path}`)
  // Before it is split, so that a path of any length costs little.
  if (path.length > MAX_PATH_BYTES) {
    throw new InvalidKeyError(`invalid path ${quoted(path)}: it is longer than ${MAX_PATH_BYTES} bytes`)
  }
  for (const component of path.split('/')) {
    const rule = brokenRule(component)
    if (rule) throw new InvalidKeyError(`invalid path ${quoted(path)}: component ${quoted(component)}: ${rule}`)
  }
}

/** Throws `InvalidKeyError` unless `name` can be of a file that the store made: a path, with `~<n>` in it where that was taken. */
export function checkFileName(name: string): void {
  const tail = /~\d{1,9}(?=\/|$)/
  if (name.length > MAX_PATH_BYTES + 10) checkPath(name)
  for (const component of name.split('/')) {
    const rule = brokenRule(component) && brokenRule(component.replace(tail, ''))
    if (rule) throw new InvalidKeyError(`invalid file name ${quoted(name)}: component ${quoted(component)}: ${rule}`)
  }
}

export function isDeviceName(component: string): boolean {
  return DEVICE_NAME.test(component)
}

/** In any case: half of the file systems do not tell. */
export function hasReservedSuffix(component: string): boolean {
  return component.slice(-RESERVED_SUFFIX.length).toLowerCase() === RESERVED_SUFFIX
}

/** In any case, as above. */
export function hasReservedPrefix(asset: string): boolean {
  return asset.slice(0, RESERVED_ASSET_PREFIX.length).toLowerCase() === RESERVED_ASSET_PREFIX
}

/** As a JSON string, so that control characters cannot hide, and cut to a line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_LETTERS ? `${text.slice(0, SHOWN_LETTERS)}…` : text)
}
