import { ResourceKey } from '@cistern/assets'

/** Two assets of a few resources each; one path is a folder of another's name, and two differ in case only. */
export const ASSETS: readonly string[] = ['film-1', 'film-2']

export const KEYS: readonly ResourceKey[] = [
  ResourceKey.of('film-1', 'index.m3u8'),
  ResourceKey.of('film-1', 'video'),
  ResourceKey.of('film-1', 'video/1.ts'),
  ResourceKey.of('film-2', 'A.ts'),
  ResourceKey.of('film-2', 'a.ts'),
  ResourceKey.of('film-2', 'audio.mp4'),
]
