import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batches } from '#assets/base/named-files.js'
import { IndexState } from '#assets/index/index-state.js'

const ASSET = 'film'

/** A state whose resources are committed, or removed, one record after the other. */
function changing(): { readonly state: IndexState; put(path: string): void; remove(path: string): void } {
  const state = new IndexState()
  let sequence = 0
  const put = (path: string): void => {
    const generation = `s-${(++sequence).toString(36)}`
    const committed = { generation, name: path, length: 10, committedAt: 0, fingerprint: 'f', unsynced: false }
    const optional = { processor: undefined, validator: undefined, metadata: undefined }
    const part = { asset: ASSET, path, generation, part: 'source' } as const
    state.apply({ type: 'stray', stray: { asset: ASSET, path, name: path, generation, published: false } }, sequence)
    state.apply({ type: 'blocks', ...part, runs: [], fragments: [0, 10, 1] }, sequence)
    const entry = { committed: { ...committed, ...optional }, active: undefined }
    state.apply({ type: 'entry', asset: ASSET, path, ...entry }, sequence)
  }
  const remove = (path: string): void =>
    state.apply({ type: 'remove', asset: ASSET, paths: [path], strays: [] }, ++sequence)
  return { state, put, remove }
}

const named = (folder: string, n: number): string => `${folder}/${String(n).padStart(4, '0')}.ts`

test('a walk over an asset meets what stays once, in order, while others come and go in front and behind', async () => {
  const { state, put, remove } = changing()
  const RESOURCES = 300
  for (let n = 0; n < RESOURCES; n++) for (const folder of ['b', 'm', 'y']) put(named(folder, n))
  const seen: string[] = []
  let step = 0
  for await (const batch of batches({ entries: (asset, after) => state.entriesAfter(asset, after) }, ASSET)) {
    for (const { path } of batch) if (path.startsWith('m/')) seen.push(path)
    for (let n = 0; n < 100; n++) {
      put(named('a', step * 100 + n))
      put(named('z', step * 100 + n))
    }
    for (let n = step * 20; n < step * 20 + 20; n++) for (const folder of ['b', 'y']) remove(named(folder, n))
    if (++step > 100) break // what is put behind would have no end
  }
  assert.deepEqual(
    seen,
    Array.from({ length: RESOURCES }, (_, n) => named('m', n)),
  )
})
