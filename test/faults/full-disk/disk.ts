import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { atEnd } from '../at-end.js'

const MIB = 1024 * 1024
const RESERVE = 2 * MIB

/** A small file system of its own, which somebody else fills and frees. */
export class Disk implements Disposable {
  readonly path: string
  readonly #image: string | undefined
  readonly #forget: () => void

  private constructor(path: string, image?: string) {
    this.path = path
    this.#image = image
    this.#forget = atEnd(() => this.#unmount())
  }

  /** In memory, mounted at `path`, an empty folder. */
  static tmpfs(path: string, mib: number, inodes = 10_000): Disk {
    run('mount', '-t', 'tmpfs', '-o', `size=${mib}m,nr_inodes=${inodes},mode=0700`, 'tmpfs', path)
    return new Disk(path)
  }

  /** ext4 in a file `image`; an error of its own makes it read-only. */
  static ext4(path: string, image: string, mib: number, inodes?: number): Disk {
    run('truncate', '-s', `${mib}M`, image)
    run('mkfs.ext4', '-qF', ...(inodes === undefined ? [] : ['-N', String(inodes)]), image)
    run('mount', '-o', 'loop,errors=remount-ro', image, path)
    const disk = new Disk(path, image)
    writeFileSync(disk.#reserve, Buffer.alloc(RESERVE, 1))
    return disk
  }

  static get unavailable(): string | undefined {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting takes root, and Linux'
    try {
      execFileSync('mkfs.ext4', ['-V'], { stdio: 'ignore' })
      return undefined
    } catch {
      return 'needs mkfs.ext4'
    }
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** Somebody else takes all but `leave` bytes. */
  fill(leave = 0): void {
    const file = openSync(this.#foreign, 'a')
    try {
      const piece = Buffer.alloc(MIB / 4, 1)
      for (let size = piece.length; size >= 1; ) {
        if (this.freeBytes <= leave) break
        const bytes = leave === 0 ? size : Math.min(size, this.freeBytes - leave)
        if (!wrote(file, piece.subarray(0, bytes))) size = Math.floor(size / 2)
      }
    } finally {
      closeSync(file)
    }
  }

  free(): void {
    rmSync(this.#foreign, { force: true })
  }

  /** For whoever looks at what is left: opening takes some room. One in memory grows, ext4 has something put by. */
  makeRoom(): void {
    this.free()
    if (this.#image === undefined) run('mount', '-o', 'remount,size=64m', this.path)
    else rmSync(this.#reserve, { force: true })
  }

  /** As after an error of the medium: whatever is open for writing, it is read-only from now on. */
  turnReadonly(): void {
    const device = execFileSync('findmnt', ['-no', 'SOURCE', this.path], { encoding: 'utf8' }).trim()
    const trigger = openSync(`/sys/fs/ext4/${device.replace('/dev/', '')}/trigger_fs_error`, 'w')
    wrote(trigger, Buffer.from('on purpose'))
    closeSync(trigger)
  }

  /** Unmounted, repaired, mounted again, as an operator would. */
  repair(): void {
    run('umount', this.path)
    try {
      run('e2fsck', '-fy', this.#image ?? '')
    } catch {
      // It exits with 1 when it repaired something.
    }
    run('mount', '-o', 'loop,errors=remount-ro', this.#image ?? '', this.path)
  }

  [Symbol.dispose](): void {
    this.#forget()
    this.#unmount()
  }

  #unmount(): void {
    try {
      run('umount', this.path)
    } catch {
      run('umount', '-l', this.path) // what a failed check left open must not keep it mounted
    }
    if (this.#image !== undefined) rmSync(this.#image, { force: true })
  }

  get #reserve(): string {
    return join(this.path, 'put-by')
  }

  get #foreign(): string {
    return join(this.path, 'somebody-elses')
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** False when there was no room for any of it. */
function wrote(file: number, bytes: Uint8Array): boolean {
  try {
    return writeSync(file, bytes) > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
