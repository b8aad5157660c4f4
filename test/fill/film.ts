import assert from 'node:assert/strict'
import { ResourceKey } from '@cistern/assets'
import { type FillerOptions, SourceError } from '@cistern/fill'
import { randomBytes } from '../helpers/bytes.js'
import { eventLoopTurn } from '../helpers/deferred.js'
import { ScriptedSource, type SourceScript } from './scripted-source.js'

export const CHUNK = 64 * 1024
export const key = ResourceKey.of('film', 'video.mp4')
export const options: FillerOptions = { chunkSize: CHUNK, backoffMs: 1 }

export const film = (chunks: number, more: Partial<SourceScript> = {}): ScriptedSource =>
  new ScriptedSource({ bytes: randomBytes(7, Math.floor(chunks * CHUNK)), validator: 'v1', ...more })

export function same(got: Uint8Array, bytes: Uint8Array, start = 0): void {
  const expected = Buffer.from(bytes).subarray(start, start + got.length)
  assert.ok(expected.equals(got), 'these are not its bytes')
}

export const transient = (retryAfterMs?: number): SourceError =>
  new SourceError('503', { reason: 'status', status: 503, transient: true, retryAfterMs })

/** Until nothing more happens by itself. */
export async function calm(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await eventLoopTurn()
}
