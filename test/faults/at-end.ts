const undone = new Set<() => void>()

/** `undo` runs when this process ends before its time: nothing stays mounted. Returns what takes it back. */
export function atEnd(undo: () => void): () => void {
  if (undone.size === 0) {
    process.once('exit', undoAll)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endedBySignal)
  }
  undone.add(undo)
  return () => {
    undone.delete(undo)
    if (undone.size > 0) return
    process.off('exit', undoAll)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, endedBySignal)
  }
}

function undoAll(): void {
  for (const undo of undone) undo()
}

function endedBySignal(): void {
  process.exit(1)
}
