import { createHash } from 'node:crypto'
import {
  brokenRule,
  hasReservedPrefix,
  hasReservedSuffix,
  isDeviceName,
  MAX_COMPONENT_BYTES,
  RESERVED_SUFFIX,
} from './component.js'

const ESCAPED = /[^A-Za-z0-9._\-+=@,]/gu
const ILL_FORMED = /\p{Surrogate}/u
const EXTENSION = /\.[A-Za-z0-9]{1,8}$/
/** Stands for the empty name. A `%` of the name itself is always followed by 25. */
const EMPTY = '%'
/** 128 bits: two names meet in one of 2^64. */
const FINGERPRINT_DIGITS = 32

/**
 * Turns any string into a component that a key takes: `Ünicode/1.ts` becomes `%C3%9Cnicode%2F1.ts`. Names made of
 * letters, digits and `. _ - + = @ ,` stay as they are. What is over 96 bytes then, or holds half a surrogate pair,
 * is cut and ends in `~` and a fingerprint of the whole name, its extension kept.
 *
 * Two different names never give one component. Names that differ in case only give components that differ in case
 * only, which the store tells apart on every file system.
 */
export function portable(name: string): string {
  // The length first, so that a name of megabytes is not escaped for nothing.
  if (name.length <= MAX_COMPONENT_BYTES && !ILL_FORMED.test(name)) {
    const component = escaped(name)
    if (component.length <= MAX_COMPONENT_BYTES) return component
  }
  return stamped(name, digest('name', name))
}

/**
 * The name that `portable` made `component` of, or `undefined` where that cannot be told: it was cut, or `portable`
 * never gives this component.
 */
export function unportable(component: string): string | undefined {
  if (component === EMPTY) return ''
  const name = unescaped(component)
  // Whatever decodes but is not what portable() writes, such as `%41` for `A`, is not its work.
  return name !== undefined && portable(name) === component ? name : undefined
}

/**
 * What can be read of `name`, then `~` and `fingerprint`, then its extension: always legal, and never equal to what
 * `portable` gives for a short name, because that holds no `~`. The fingerprint has to cover all that distinguishes.
 */
export function stamped(name: string, fingerprint: string): string {
  const found = EXTENSION.exec(name)?.[0] ?? ''
  const extension = hasReservedSuffix(found) ? '' : found
  const room = MAX_COMPONENT_BYTES - 1 - fingerprint.length - extension.length
  const stem = name.slice(0, Math.min(name.length - extension.length, MAX_COMPONENT_BYTES))
  return `${stem === '' ? 'index' : cut(escaped(stem), room)}~${fingerprint}${extension}`
}

/** A fingerprint in lower-case hex, so that it means the same on file systems that do not tell case. */
export function digest(domain: string, ...parts: readonly (string | readonly string[] | null)[]): string {
  // JSON keeps the parts apart, and half a surrogate pair as its escape, where UTF-8 would make all of them one.
  const text = JSON.stringify(['cistern', domain, ...parts])
  return createHash('sha256').update(text).digest('hex').slice(0, FINGERPRINT_DIGITS)
}

/** Legal but for its length. */
function escaped(name: string): string {
  if (name === '') return EMPTY
  let component = name.replace(ESCAPED, percentEncoded)
  if (hasReservedSuffix(component)) component = escapeAt(component, component.length - RESERVED_SUFFIX.length)
  if (component.endsWith('.')) component = escapeAt(component, component.length - 1)
  if (isDeviceName(component) || hasReservedPrefix(component)) component = escapeAt(component, 0)
  return component
}

function escapeAt(component: string, index: number): string {
  return component.slice(0, index) + percentEncoded(component.charAt(index)) + component.slice(index + 1)
}

function percentEncoded(letter: string): string {
  let text = ''
  for (const byte of Buffer.from(letter, 'utf8')) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text
}

function unescaped(component: string): string | undefined {
  if (brokenRule(component) !== undefined) return undefined
  try {
    return decodeURIComponent(component)
  } catch {
    return undefined // a `%` without two digits, or bytes that are not UTF-8: nothing that portable() writes
  }
}

/** At most `room` bytes, no escape cut in two. */
function cut(stem: string, room: number): string {
  return stem.length <= room ? stem : stem.slice(0, room).replace(/%[0-9A-F]?$/, '')
}
