import { ResourceKey } from '@cistern/assets'

/** Two films that a lease keeps, and four that only a quota keeps: those may be evicted at any moment. */
export const FILMS: readonly string[] = ['film-1', 'film-2']
const CACHES: readonly string[] = ['cache-1', 'cache-2', 'cache-3', 'cache-4']
export const ASSETS: readonly string[] = [...FILMS, ...CACHES]

export function isEvictable(asset: string): boolean {
  return CACHES.includes(asset)
}

/** Written as they are; one path is a folder of another's name, and two differ in case only. */
export const PLAIN: readonly ResourceKey[] = [
  ResourceKey.of('film-1', 'index.m3u8'),
  ResourceKey.of('film-1', 'video'),
  ResourceKey.of('film-1', 'video/1.ts'),
  ResourceKey.of('film-2', 'A.ts'),
  ResourceKey.of('film-2', 'a.ts'),
  ResourceKey.of('film-2', 'audio.mp4'),
  ...CACHES.map((asset) => ResourceKey.of(asset, 'segment.ts')),
]

/** Those that nothing evicts while a lease keeps the films. */
export const FILM_KEYS: readonly ResourceKey[] = PLAIN.filter(({ asset }) => FILMS.includes(asset))

/** For workloads that stay with those. */
export const FILMS_ALONE: { readonly keys: readonly ResourceKey[]; readonly assets: readonly string[] } = {
  keys: FILM_KEYS,
  assets: FILMS,
}

/** Arrive encrypted, and are stored decrypted. */
export const SEALED: readonly ResourceKey[] = [
  ResourceKey.of('film-1', 'sealed.ts'),
  ResourceKey.of('film-2', 'sealed.ts'),
]

/** What is stored under one of the two is moved to the other. */
export const MOVED: readonly [ResourceKey, ResourceKey] = [
  ResourceKey.of('film-1', 'draft.mp4'),
  ResourceKey.of('film-1', 'release.mp4'),
]

export const KEYS: readonly ResourceKey[] = [...PLAIN, ...SEALED, ...MOVED]

/** The name that content is made of: what is moved keeps its bytes. */
export function contentName({ id }: ResourceKey): string {
  return id === MOVED[1].id ? MOVED[0].id : id
}
