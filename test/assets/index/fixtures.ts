import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { FileHeader, FileKind } from '#assets/index/header.js'

export const storeId: Uint8Array = new Uint8Array(16).map((_, i) => i * 7 + 1)
export const otherStoreId: Uint8Array = new Uint8Array(16).fill(9)

export function headerOf(kind: FileKind, number: number, more: Partial<FileHeader> = {}): FileHeader {
  return { kind, storeId, number, session: 'session-1', sequence: 0, ...more }
}

export async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cistern-index-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** For comparing: a Buffer and a Uint8Array of the same bytes are no strict equals. */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Payloads that tell each other apart, `bytes` long. */
export function* payloadsOf(count: number, bytes: number): Generator<Uint8Array> {
  const noise = randomBytes(bytes + count)
  for (let i = 0; i < count; i++) yield noise.subarray(i, i + bytes)
}
