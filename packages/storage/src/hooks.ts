import type { ByteRange } from './types.js'

/** What a layer may follow about a reader. All optional; none may throw. */
export interface ReaderHooks {
  /** A wait for this range could not be met at once. Called before it is decided whether anyone is writing. */
  readonly onWait?: ((range: ByteRange) => void) | undefined
  /** A read gave `bytes` bytes (at least one). */
  readonly onRead?: ((position: number, bytes: number) => void) | undefined
  /** The reader and all its clones are closed; told at once where it was closed before the hooks came. */
  readonly onClose?: (() => void) | undefined
}

/** What a layer may do about a writer. All optional. */
export interface WriterHooks {
  /** Before a write, in the order of the calls. A promise holds it and those behind it back; rejecting fails that write. */
  readonly beforeWrite?: ((position: number, bytes: number) => void | Promise<void>) | undefined
  /** A write failed. `'retry'` has it tried once more. */
  readonly onWriteError?: ((error: Error) => Promise<'retry' | 'fail'>) | undefined
  /** Called once, after the writer settled, however it came to that; at once where it had settled before the hooks came. */
  readonly onSettled?: ((how: 'commit' | 'fail' | 'release') => void) | undefined
}

/** Native handles have a method under this name that takes hooks in place: nothing is wrapped, nothing slows down. */
export const hook: unique symbol = Symbol.for('cistern.hook')

export interface Hookable<Hooks> {
  [hook](hooks: Hooks): void
}

/** Whether `handle` takes hooks in place. */
export function isHookable<Hooks>(handle: object): handle is Hookable<Hooks> {
  return typeof (handle as Partial<Hookable<Hooks>>)[hook] === 'function'
}

/** Gives a handle class its [hook] method. */
export function hookable<Hooks>(prototype: { addHooks(hooks: Hooks): void }): void {
  Object.defineProperty(prototype, hook, { value: prototype.addHooks })
}

/** One set of hooks over a reader and the clones made since; `parent` is what was there before. */
export interface HookGroup {
  readonly hooks: ReaderHooks
  readonly parent: HookGroup | undefined
  /** Open handles, and younger groups, that stand on this one. */
  refs: number
}

/** Puts hooks on top; the handle's place in `parent` goes over to the new group. */
export function addGroup(hooks: ReaderHooks, parent: HookGroup | undefined): HookGroup {
  return { hooks, parent, refs: 1 }
}

/** A handle of the group closed. The last one tells onClose, outermost first. */
export function leaveGroup(group: HookGroup | undefined): void {
  for (let at = group; at !== undefined && --at.refs === 0; at = at.parent) at.hooks.onClose?.()
}

export function tellWait(group: HookGroup | undefined, range: ByteRange): void {
  for (let at = group; at !== undefined; at = at.parent) at.hooks.onWait?.(range)
}

export function tellRead(group: HookGroup | undefined, position: number, bytes: number): void {
  for (let at = group; at !== undefined; at = at.parent) at.hooks.onRead?.(position, bytes)
}

/** The innermost layer is asked first: it is nearest to the cause. */
export async function wantsRetry(hooks: readonly WriterHooks[], error: Error): Promise<boolean> {
  for (let i = hooks.length - 1; i >= 0; i--) {
    try {
      if ((await hooks[i]?.onWriteError?.(error)) === 'retry') return true
    } catch {
      // A hook that fails asks for no retry; the write's own error is the one to tell.
    }
  }
  return false
}
