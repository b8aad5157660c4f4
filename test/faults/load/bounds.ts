const FILLED_AT_ONCE = 2_000
const UNSYNCED = 64
const INDEX = 16 // its journal, its folder, what it compacts, the lock

/** `cacheEntries` of the store under load. */
export const CACHED = 5
/** Descriptors that are in use, or kept open for a sync. */
export const MOST_DESCRIPTORS: number = FILLED_AT_ONCE + UNSYNCED + CACHED + INDEX
