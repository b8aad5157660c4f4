import { createHash, type Hash } from 'node:crypto'
import { InvalidOptionError } from '@cistern/storage'

type IntegrityAlgorithm = 'sha256' | 'sha384' | 'sha512'

/** What Subresource Integrity asks: one of `digests`, all of the strongest algorithm that was given. */
export interface Integrity {
  readonly algorithm: IntegrityAlgorithm
  readonly digests: readonly Uint8Array[]
}

/** Weakest first. */
const STRENGTH: readonly IntegrityAlgorithm[] = ['sha256', 'sha384', 'sha512']
const DIGEST_BYTES: Readonly<Record<IntegrityAlgorithm, number>> = { sha256: 32, sha384: 48, sha512: 64 }
/** `hash-expression` with its options, which say nothing yet. Both base64 alphabets, as CSP's `base64-value` has it. */
const TOKEN = /^([A-Za-z0-9-]+?)-([A-Za-z0-9+/_-]+={0,2})(?:\?[\x21-\x7e]*)?$/
const MAX_LETTERS = 4096

/**
 * Reads an `integrity` string: tokens such as `sha256-…` with white space between them. Of several algorithms the
 * strongest counts, of several digests of it any (W3C Subresource Integrity, 3.3.4 and 3.3.5).
 *
 * Stricter than a browser: what is malformed, or leaves no algorithm that is known here, throws `InvalidOptionError`,
 * because a check that silently checks nothing is worse than none. `option` names it in the message.
 */
export function parseIntegrity(text: unknown, option: string = 'integrity'): Integrity {
  if (typeof text !== 'string')
    throw new InvalidOptionError(`${option} must be a string, got ${text === null ? 'null' : typeof text}`)
  if (text.length > MAX_LETTERS) throw new InvalidOptionError(`${option} must be of at most ${MAX_LETTERS} letters`)
  const tokens = text.split(/[\t\n\f\r ]+/).filter((token) => token !== '')
  const known = tokens.map((token) => parseToken(token, option)).filter((token) => token !== undefined)
  const algorithm = STRENGTH.findLast((candidate) => known.some((token) => token.algorithm === candidate))
  if (!algorithm) throw new InvalidOptionError(`${option} must hold a digest of ${STRENGTH.join(', ')}`)
  return { algorithm, digests: known.filter((token) => token.algorithm === algorithm).map((token) => token.digest) }
}

/** Checks bytes against an {@link Integrity} as they come, in order. */
export class IntegrityCheck {
  readonly #expected: Integrity
  readonly #hash: Hash
  #digest: Uint8Array | undefined

  constructor(integrity: string | Integrity) {
    this.#expected = typeof integrity === 'string' ? parseIntegrity(integrity) : integrity
    this.#hash = createHash(this.#expected.algorithm)
  }

  /** The next bytes. Not after `matches()` or `actual` were asked, which end it. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** Whether the bytes so far are those meant. */
  matches(): boolean {
    const digest = this.#finished()
    return this.#expected.digests.some((expected) => Buffer.compare(expected, digest) === 0)
  }

  /** What the bytes would have matched, for a message. */
  get actual(): string {
    return `${this.#expected.algorithm}-${Buffer.from(this.#finished()).toString('base64')}`
  }

  #finished(): Uint8Array {
    this.#digest ??= this.#hash.digest()
    return this.#digest
  }
}

interface Token {
  readonly algorithm: IntegrityAlgorithm
  readonly digest: Uint8Array
}

/** `undefined` for a well-formed token of an algorithm that is not known: the rule lets it pass beside others. */
function parseToken(token: string, option: string): Token | undefined {
  const [, name, base64] = TOKEN.exec(token) ?? []
  if (name === undefined || base64 === undefined) throw malformed(token, option)
  const algorithm = STRENGTH.find((candidate) => candidate === name.toLowerCase())
  if (!algorithm) return undefined
  const digest = Buffer.from(base64, 'base64')
  if (digest.length !== DIGEST_BYTES[algorithm] || !isWhole(base64, digest.length)) throw malformed(token, option)
  return { algorithm, digest }
}

/** Node decodes base64 of any length and padding; this is the length that the bytes have, padded or not at all. */
function isWhole(base64: string, bytes: number): boolean {
  return base64.length === Math.ceil(bytes / 3) * 4 || base64.length === Math.ceil((bytes * 4) / 3)
}

function malformed(token: string, option: string): InvalidOptionError {
  const shown = JSON.stringify(token.length > 120 ? `${token.slice(0, 120)}…` : token)
  return new InvalidOptionError(`${option} holds ${shown}, which is no digest such as sha256-<44 letters of base64>`)
}
