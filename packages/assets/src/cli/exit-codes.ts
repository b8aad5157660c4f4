/** What the command's exit code says. */
export const EXIT = {
  /** Done; for `verify`: nothing is wrong, or all that was has been repaired. */
  ok: 0,
  /** `verify`: damage is there. `ls`, `stat`: nothing has this name. */
  found: 1,
  /** The command line is wrong. */
  usage: 2,
  /** It cannot be read, is no store, or is one of a newer version. */
  failed: 3,
  /** Another process owns the store, and this needs it. */
  locked: 4,
} as const

/** As a shell counts a process that was ended by a signal: 130 for Ctrl-C. */
export const SIGNAL_BASE = 128
