import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { randomBytes, randomChoice, randomInteger } from '../../helpers/bytes.js'

/** Where a file of an index is damaged, and what is around. */
export interface Scene {
  readonly random: () => number
  readonly index: string
  /** The index of another store, with files of the same names. */
  readonly other: string
  /** A folder beside the store, which nobody may change. */
  readonly outside: string
}

type Damaging = (name: string, scene: Scene) => void

/** After these the store opens, whichever file it was. */
export const FILE_DAMAGE: Readonly<Record<string, Damaging>> = {
  missing: (name, { index }) => rmSync(join(index, name), { recursive: true, force: true }),
  empty: over(() => new Uint8Array()),
  cut: over((bytes, { random }) => bytes.subarray(0, randomInteger(random, 0, bytes.length + 1))),
  'a bit flipped': over((bytes, { random }) => {
    if (bytes.length === 0) return bytes
    const at = randomInteger(random, 0, bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInteger(random, 0, 8))
    return bytes
  }),
  'a mebibyte of noise': over((_, { random }) => randomBytes(randomInteger(random, 0, 2 ** 31), 2 ** 20)),
  'another file of this store': over((_, { random, index }) => {
    const files = readdirSync(index).filter((one) => statSync(join(index, one)).isFile())
    return readFileSync(join(index, randomChoice(random, files)))
  }),
  "another store's": (name, { random, index, other }) => {
    const names = readdirSync(other)
    const same = names.includes(name)
      ? name
      : randomChoice(
          random,
          names.filter((one) => one.endsWith('.log')),
        )
    rmSync(join(index, name), { recursive: true, force: true })
    cpSync(join(other, same), join(index, name), { recursive: true, preserveTimestamps: true })
  },
}

/** What is not a file at all: a snapshot or a journal is then damaged; what says who owns the root may be refused. */
export const NO_FILE: Readonly<Record<string, Damaging>> = {
  'a folder': (name, { index }) => {
    rmSync(join(index, name), { recursive: true })
    mkdirSync(join(index, name))
    writeFileSync(join(index, name, 'inside'), 'somebody else put this here')
  },
  'a link to itself, moved outside': (name, { index, outside }) => {
    renameSync(join(index, name), join(outside, name))
    symlinkSync(join(outside, name), join(index, name))
  },
  'a link to nothing': (name, { index, outside }) => {
    rmSync(join(index, name), { recursive: true })
    symlinkSync(join(outside, 'not-there'), join(index, name))
  },
  'a link to a folder': (name, { index, outside }) => {
    rmSync(join(index, name), { recursive: true })
    mkdirSync(join(outside, `${name}-folder`))
    symlinkSync(join(outside, `${name}-folder`), join(index, name))
  },
  'a pipe': (name, { index }) => {
    rmSync(join(index, name), { recursive: true })
    spawnSync('mkfifo', [join(index, name)])
  },
}

/** In the place of what was there, be it a file or a folder. */
function over(change: (bytes: Uint8Array, scene: Scene) => Uint8Array): Damaging {
  return (name, scene) => {
    const path = join(scene.index, name)
    const bytes = statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : new Uint8Array()
    const changed = change(bytes, scene)
    rmSync(path, { recursive: true, force: true })
    writeFileSync(path, changed, { mode: 0o600 })
  }
}
