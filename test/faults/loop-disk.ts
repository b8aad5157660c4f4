import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { atEnd } from './at-end.js'

export type FileSystem = 'ext4' | 'xfs'

const IMAGE_BYTES = 400 * 1024 * 1024 // the least that mkfs.xfs is sure to take is 300 MiB
const BUSY_TRIES = 50

/** A file system in a file, whose power can be cut. Unmounted and gone when it is disposed of, or the process ends. */
export class LoopDisk implements AsyncDisposable {
  readonly mount: string
  readonly #image: string
  #isMounted = false
  #forget = (): void => undefined

  private constructor(folder: string) {
    this.mount = `${folder}/mnt`
    this.#image = `${folder}/disk.img`
  }

  /** A fresh one in `folder`. */
  static make(fileSystem: FileSystem, folder: string): LoopDisk {
    const disk = new LoopDisk(folder)
    mkdirSync(disk.mount, { recursive: true })
    writeFileSync(disk.#image, '')
    truncateSync(disk.#image, IMAGE_BYTES)
    if (fileSystem === 'ext4') ran('mkfs.ext4', ['-qF', disk.#image])
    else ran('mkfs.xfs', ['-qf', disk.#image])
    disk.#attach()
    return disk
  }

  /** Nothing reaches the medium any more. `withLog`: but what the file system has in its log goes there first. */
  cutPower(withLog: boolean): void {
    ran('xfs_io', ['-x', '-c', withLog ? 'shutdown -f' : 'shutdown', this.mount])
  }

  /** Back again: the file system replays its log. Whoever had files open must be gone. */
  async restorePower(): Promise<void> {
    await this.#detach()
    this.#attach()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#detach()
    rmSync(this.#image, { force: true })
  }

  #attach(): void {
    ran('mount', ['-o', 'loop', this.#image, this.mount])
    this.#isMounted = true
    this.#forget = atEnd(() => this.#abandon())
  }

  async #detach(): Promise<void> {
    if (!this.#isMounted) return
    for (let tries = 1; ; tries++) {
      const { status, stderr } = command('umount', [this.mount])
      if (status === 0) break
      // The last descriptors of a process that was killed are closed a little later than it is gone.
      if (tries === BUSY_TRIES) throw new Error(`umount ${this.mount}: ${stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    this.#isMounted = false
    this.#forget()
  }

  /** At once, whoever uses it. */
  #abandon(): void {
    command('umount', ['--lazy', this.mount])
    rmSync(this.#image, { force: true })
  }
}

/** Why there is no such disk here, where there is none. */
export function loopDiskUnavailable(fileSystem: FileSystem): string | undefined {
  if (process.platform !== 'linux') return `loop mounts are for Linux, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'mounting takes root'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices (/dev/loop-control)'
  for (const [name, args] of [
    [`mkfs.${fileSystem}`, ['-V']],
    ['xfs_io', ['-V']],
    ['mount', ['-V']],
  ] as const) {
    if (command(name, args).error) return `${name} is not installed`
  }
  return undefined
}

function ran(name: string, args: readonly string[]): void {
  const { status, stderr, error } = command(name, args)
  if (error) throw error
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`)
}

/** Of the system, not of a package. */
export function command(name: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(name, args, { encoding: 'utf8' })
}
