import assert from 'node:assert/strict'
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'

/** A store in another process, open. */
export async function startStore(root: string, options: object = {}): Promise<Child> {
  const child = spawnChild(new URL('./store-child.js', import.meta.url), { args: [root, JSON.stringify(options)] })
  assert.equal(await child.nextMessage(), 'open')
  return child
}

export async function tell(child: Child, verb: string, ...given: (string | number)[]): Promise<unknown> {
  child.send([verb, ...given])
  const message = (await child.nextMessage()) as { readonly answer?: unknown; readonly error?: string }
  assert.equal(message.error, undefined)
  return message.answer
}

export async function assertHolds(store: AssetStore, id: string, seed: number, length: number): Promise<void> {
  const bytes = await store.get(ResourceKey.parse(id))
  assert.ok(bytes !== undefined, `${id} is there`)
  assert.ok(Buffer.from(bytes).equals(randomBytes(seed, length)), `${id} is what was stored`)
}
