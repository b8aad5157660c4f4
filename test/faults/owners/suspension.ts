import { basename, relative } from 'node:path'
import { type OwnerReport, saying } from './report.js'

/** What was under way when an owner was suspended, from what it said until then; and what it may do no more. */
export class Suspension {
  readonly before: readonly OwnerReport[]
  /** Calls that were made and had not come back: nobody can take those back. */
  readonly underWay: readonly { readonly name: string; readonly paths: readonly string[] }[]
  readonly #root: string
  readonly #session: string

  /** `session`: its own; '' where it had not got as far. */
  constructor(root: string, session: string, before: readonly OwnerReport[]) {
    this.#root = root
    this.#session = session
    this.before = before
    const back = new Set(saying(before, 'came-back').map(({ id }) => id))
    this.underWay = saying(before, 'call').filter(({ id }) => !back.has(id))
  }

  /** A call under way may have taken what is at this path, relative to the root, from the new owner. */
  excuses(path: string): boolean {
    return this.underWay.some(({ paths }) => paths.some((given) => relative(this.#root, given) === path))
  }

  /** Its unfinished parts it may go on writing: whoever goes on with one copies what the checksums prove, and no more. */
  excusesDamage(finding: string): boolean {
    return this.#session !== '' && finding.startsWith('verify:') && finding.includes(`(active ${this.#session}-`)
  }

  /**
   * What it did after it woke up and must not have. Stopped at a random moment it may have been between its last look
   * and the call: that one is granted. Stopped at a call of its own it was not.
   */
  after(reports: readonly OwnerReport[], isAtCall: boolean): string[] {
    const later = reports.slice(this.before.length)
    const foreign = saying(later, 'call').filter((call) => this.#isForeign(call))
    const made = foreign
      .slice(isAtCall ? 0 : 1)
      .map(({ name, paths }) => `awake again, it made ${name} ${paths.map((path) => relative(this.#root, path))}`)
    return [...made.slice(0, 5), ...this.#reportedDone(later)]
  }

  /**
   * Of names that another owner may have by now. Neither an `rmdir` nor a rename over a claim takes a folder with
   * something in it; the lock has nothing in it.
   */
  #isForeign({ name, paths }: { readonly name: string; readonly paths: readonly string[] }): boolean {
    const target = paths.at(-1) ?? ''
    const isLock = relative(this.#root, target) === '_index/lock'
    if (name === 'rmdir') return isLock
    if (name === 'utimes') return isLock
    if (name === 'rename' && relative(this.#root, target) === '_index/claim') return false
    return !isOwnName(basename(target))
  }

  /** Whatever began after the second owner had the root is refused. */
  #reportedDone(later: readonly OwnerReport[]): string[] {
    const begun = new Set<string>()
    const done: string[] = []
    for (const report of later) {
      if (report.is === 'begin') begun.add(`${report.key} ${report.held?.nonce}`)
      if (report.is === 'done' && begun.has(`${report.key} ${report.held?.nonce}`))
        done.push(`awake again, it began and reported ${report.key} of nonce ${report.held?.nonce}`)
    }
    return done.slice(0, 5)
  }
}

/** Parts, marks and temporary files have a session, a process or chance in their names: nobody else comes by one. */
function isOwnName(name: string): boolean {
  return /\.part$|^owner\.|^claim\.|,|\.tmp(\.\d+)?$|\.bin\.\d+$/.test(name)
}
