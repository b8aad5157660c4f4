import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from '../../helpers/bytes.js'

export const BLOCK = 256 * 1024

/**
 * What is left of the bytes: `all` of them; all but those of the second `block`; nothing beyond a `cut` in the second
 * block; more than there were, at the end (`more`); `none`.
 */
type Left = 'all' | 'block' | 'cut' | 'more' | 'none'

export interface BodyDamage {
  readonly left: Left
  /** Done to the file itself: who has it open sees it. */
  readonly inPlace: boolean
  /** Neither length nor time tell: only a checksum does. */
  readonly isSilent?: boolean
  /** `outside`: a folder beside the store. */
  do(path: string, outside: string): void
}

export const BODY_DAMAGE: Readonly<Record<string, BodyDamage>> = {
  'a bit flipped': { left: 'block', inPlace: true, do: (path) => flip(path) },
  'a bit rotten': { left: 'block', inPlace: true, isSilent: true, do: (path) => silently(path, () => flip(path)) },
  'a block of zeros': {
    left: 'block',
    inPlace: true,
    do: (path) => overwrite(path, new Uint8Array(secondBlock(path)), BLOCK),
  },
  'a block of zeros, unnoticed': {
    left: 'block',
    inPlace: true,
    isSilent: true,
    do: (path) => silently(path, () => overwrite(path, new Uint8Array(secondBlock(path)), BLOCK)),
  },
  truncated: { left: 'cut', inPlace: true, do: (path) => truncateSync(path, BLOCK + 1_000) },
  grown: { left: 'more', inPlace: true, do: (path) => appendFileSync(path, 'and more') },
  'replaced by another of the same length': {
    left: 'none',
    inPlace: false,
    do: (path) => {
      const { size } = statSync(path)
      rmSync(path)
      writeFileSync(path, randomBytes(size, size))
    },
  },
  'copied elsewhere and back': {
    left: 'all',
    inPlace: false,
    do: (path, outside) => {
      copyFileSync(path, join(outside, 'copy'))
      rmSync(path)
      copyFileSync(join(outside, 'copy'), path)
    },
  },
  'another time': { left: 'all', inPlace: true, do: (path) => utimesSync(path, 1_000_000_000, 1_000_000_000) },
  // The link is one more name for the store's own file, and who goes on writing writes there.
  'a hard link made to it': {
    left: 'all',
    inPlace: true,
    do: (path, outside) => linkSync(path, join(outside, '..', 'link')),
  },
  gone: { left: 'none', inPlace: false, do: (path) => rmSync(path) },
  'moved outside, a symlink in its place': {
    left: 'none',
    inPlace: false,
    do: (path, outside) => {
      // A copy: on one file system a rename would leave the store's own inode there.
      copyFileSync(path, join(outside, 'film'))
      rmSync(path)
      symlinkSync(join(outside, 'film'), path)
    },
  },
  'a symlink to nothing': {
    left: 'none',
    inPlace: false,
    do: (path, outside) => {
      rmSync(path)
      symlinkSync(join(outside, 'not-there'), path)
    },
  },
  'a folder in its place': {
    left: 'none',
    inPlace: false,
    do: (path, outside) => {
      copyFileSync(path, join(outside, 'was')) // who has it open goes on with it
      rmSync(path)
      mkdirSync(path)
      writeFileSync(join(path, 'inside'), 'somebody else put this here')
    },
  },
  'a pipe in its place': {
    left: 'none',
    inPlace: false,
    do: (path) => {
      rmSync(path)
      spawnSync('mkfifo', [path])
    },
  },
}

function secondBlock(path: string): number {
  return Math.min(BLOCK, statSync(path).size - BLOCK)
}

function flip(path: string): void {
  const byte = new Uint8Array(1)
  const file = openSync(path, 'r')
  readSync(file, byte, 0, 1, BLOCK + 7)
  closeSync(file)
  overwrite(path, Uint8Array.of((byte[0] ?? 0) ^ 16), BLOCK + 7)
}

function overwrite(path: string, bytes: Uint8Array, position: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, position)
  closeSync(file)
}

/** As a disk rots: to the nanosecond, the file looks as before. `utimes` of Node does not carry that far. */
function silently(path: string, change: () => void): void {
  const like = `${path}.like`
  spawnSync('touch', ['-r', path, like])
  change()
  spawnSync('touch', ['-r', like, path])
  rmSync(like)
}
