import { InvalidOptionError } from './errors.js'

/** Throws InvalidOptionError that names what `options` has and `known` has not. */
export function checkOptions(options: object, known: readonly string[], what: string): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const names = unknown.map((name) => `'${name}'`).join(', ')
  throw new InvalidOptionError(`${what} has no option ${names}; it has ${known.join(', ')}`)
}

/** Throws InvalidOptionError unless `bytes` is a number of bytes. */
export function checkBytes(bytes: number, name: string): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new InvalidOptionError(`${name} must be a number of bytes, not ${String(bytes)}`)
  }
}
