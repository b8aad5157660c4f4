import { InvalidOptionError } from '@cistern/storage'

/** Milliseconds. A longer timer fires at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/** What one option takes. */
export interface Rule<Value> {
  /** What is expected, as it stands in the message after "must be". */
  readonly expects: string
  /** May throw an `InvalidOptionError` of its own that says more; `option` names the call and the option. */
  accepts(value: unknown, option: string): boolean
  /** Its absence is refused, too. */
  readonly required: boolean
  /** Only for the type: the rule vouches for it. */
  readonly value?: Value
}

/** A rule for each option there is. */
export type OptionSpec<Options> = {
  readonly [Name in keyof Options]-?: Rule<Exclude<Options[Name], undefined>>
}

/** Options after the check: what was `undefined` is absent. */
export type Checked<Options> = { readonly [Name in keyof Options]: Exclude<Options[Name], undefined> }

/**
 * Checks a bag of options against `spec` and returns a frozen copy without those that are `undefined`. Throws
 * `InvalidOptionError`, which names `where` (the call), the option and what it takes: for a name that `spec` does not
 * have, a value that it does not take, a required one that is missing, and a bag that is none. Strings and objects
 * never show in a message, since they may be secrets.
 */
export function checkOptions<Options extends object>(
  where: string,
  options: unknown,
  spec: OptionSpec<Options>,
): Checked<Options> {
  const required = requiredOf(spec)
  // Most calls give none: they are hot.
  if (options === undefined && required.length === 0) return NONE as Checked<Options>
  const bag = options === undefined ? {} : options
  if (!isBag(bag)) throw new InvalidOptionError(`${where}: options must be an object, got ${described(options)}`)

  const rules = spec as Readonly<Record<string, Rule<unknown>>>
  const checked: Record<string, unknown> = {}
  // Inherited ones too: options may come from a class or over Object.create(defaults).
  for (const name in bag) {
    const value = bag[name]
    const found = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (!found) throw new InvalidOptionError(`${where}: ${unknownOption(name, Object.keys(rules))}`)
    if (value === undefined) continue
    checkValue(`${where}: option '${name}'`, value, found)
    checked[name] = value
  }
  for (const name of required) {
    if (checked[name] === undefined) {
      throw new InvalidOptionError(`${where}: option '${name}' is required and must be ${rules[name]?.expects}`)
    }
  }
  return Object.freeze(checked) as Checked<Options>
}

const NONE: object = Object.freeze({})
const requiredNames = new WeakMap<object, readonly string[]>()

function requiredOf(spec: Readonly<Record<string, Rule<unknown>>>): readonly string[] {
  let names = requiredNames.get(spec)
  if (names === undefined) {
    names = Object.keys(spec).filter((name) => spec[name]?.required)
    requiredNames.set(spec, names)
  }
  return names
}

/** A rule for an option that may be left out. `expects`: what stands behind "must be" in the message. */
export function rule<Value>(expects: string, accepts: (value: unknown, option: string) => boolean): Rule<Value> {
  return { expects, accepts, required: false }
}

export function required<Value>(optional: Rule<Value>): Rule<Value> {
  return { ...optional, required: true }
}

/** A whole number of `unit` from `min` to `max`, both included. */
export function integer(unit: string, min: number, max: number = Number.MAX_SAFE_INTEGER): Rule<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return rule(`a whole number of ${unit} ${range}`, (value) => isInteger(value, min, max))
}

/** The same, or `Infinity` for no limit. */
export function integerOrInfinity(unit: string, min: number): Rule<number> {
  return rule(
    `a whole number of ${unit} of at least ${min}, or Infinity`,
    (value) => value === Number.POSITIVE_INFINITY || isInteger(value, min, Number.MAX_SAFE_INTEGER),
  )
}

/** One of these strings. */
export function oneOf<Value extends string>(...choices: readonly Value[]): Rule<Value> {
  const names = choices.map((choice) => `'${choice}'`)
  const expects = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  return rule(expects, (value) => (choices as readonly unknown[]).includes(value))
}

/** A function; its parameters cannot be checked. */
export function callable<Value>(): Rule<Value> {
  return rule('a function', (value) => typeof value === 'function')
}

/** `true` or `false`. */
export const anyBoolean: Rule<boolean> = rule('true or false', (value) => typeof value === 'boolean')
/** Any string, the empty one included. */
export const anyString: Rule<string> = rule('a string', (value) => typeof value === 'string')
/** An `AbortSignal`, by its shape. */
export const abortSignal: Rule<AbortSignal> = rule('an AbortSignal', isAbortSignal)

/** A value without its content: numbers and what is like them as they are, all else by its kind. */
function described(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number' || typeof value === 'boolean') return Object.is(value, -0) ? '-0' : String(value)
  if (value === undefined) return 'undefined'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `${value.byteLength} bytes (${kindOf(value)})`
  return kindOf(value) === 'Object' ? 'an object' : `an object of class ${kindOf(value)}`
}

function checkValue(option: string, value: unknown, { expects, accepts }: Rule<unknown>): void {
  if (!accepts(value, option)) throw new InvalidOptionError(`${option} must be ${expects}, got ${described(value)}`)
}

/** Objects that say what they are, such as a Map, a Promise, a signal, are something else put in the wrong place. */
function isBag(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}

/** By shape: a signal may come from another realm, or from a polyfill. */
function isAbortSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { aborted, addEventListener } = value as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}

function kindOf(value: object): string {
  const { constructor: made } = value as { constructor?: unknown }
  return typeof made === 'function' && made.name !== '' ? made.name : 'Object'
}

function unknownOption(name: string, known: readonly string[]): string {
  const close = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((one, other) => one.distance - other.distance)[0]
  return `unknown option '${name.slice(0, 80)}'${close ? `, did you mean '${close.candidate}'?` : ''}`
}

/** Letters to insert, delete or replace to make one of the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  if (from.length > to.length * 2) return from.length // far off; and no long loop over a name from anywhere
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    above = current
  }
  return above[to.length] ?? 0
}
