import { ResourceKey } from '@cistern/assets'

export const ASSETS: readonly string[] = ['film-1', 'film-2', 'film-3', 'film-4', 'film-5']

/** What each is for is in its name. */
export const KEY = {
  ordered: ResourceKey.of('film-1', 'ordered.ts'),
  scattered: ResourceKey.of('film-1', 'scattered.ts'),
  discarded: ResourceKey.of('film-1', 'discarded.ts'),
  playlist: ResourceKey.of('film-2', 'live/index.m3u8'),
  failed: ResourceKey.of('film-2', 'live'),
  encrypted: ResourceKey.of('film-3', 'encrypted.ts'),
  half: ResourceKey.of('film-3', 'half.ts'),
  moved: ResourceKey.of('film-4', 'moved.m3u8'),
  described: ResourceKey.of('film-4', 'described.ts'),
  evicted: ResourceKey.of('film-5', 'evicted.ts'),
} as const

export const KEYS: readonly ResourceKey[] = Object.values(KEY)
