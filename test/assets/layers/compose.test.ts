import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ForwardingReader, ForwardingWriter } from '@cistern/storage'
import { ResourceKey } from '#assets/key.js'
import { AssetsLayer } from '#assets/layers/assets-layer.js'
import { compose } from '#assets/layers/compose.js'
import { withHandles, wrapAcquisition } from '#assets/layers/wrap-acquisition.js'
import type { Assets, Layer } from '#assets/types.js'
import { chainOver, FakeStore, fill } from './fake-base.js'

const key = ResourceKey.of('film', 'a.ts')

class Named extends AssetsLayer {
  readonly name: string
  constructor(inner: Assets, name: string) {
    super(inner)
    this.name = name
  }
  get chain(): string[] {
    return [this.name, ...(this.inner instanceof Named ? this.inner.chain : [])]
  }
}
const named =
  (name: string): Layer =>
  (inner) =>
    new Named(inner, name)

test('compose wraps as it reads: the first layer is the outermost', () => {
  const store = new FakeStore()
  const chain = compose(named('a'), compose(named('b'), named('c')), compose())(store, store.context)
  assert.ok(chain instanceof Named)
  assert.deepEqual(chain.chain, ['a', 'b', 'c'])
  assert.equal(compose()(store, store.context), store)
})

test('AssetsLayer passes every verb on with all it was given', async () => {
  const calls: unknown[][] = []
  const verbs = ['acquire', 'open', 'move', 'remove', 'removeAsset', 'verify', 'close'] as const
  const inner = Object.fromEntries(
    verbs.map((verb) => [
      verb,
      async (...values: unknown[]) => {
        calls.push([verb, ...values])
        return verb
      },
    ]),
  ) as unknown as Assets
  const layer = new (class extends AssetsLayer {})(inner)
  const options = {}
  const given: unknown[] = [
    await layer.acquire(key, options),
    await layer.open(key, options),
    await layer.move(key, key),
    await layer.remove(key),
    await layer.removeAsset('film', options),
    await layer.verify(options),
    await layer.close(),
  ]
  assert.deepEqual(given, [...verbs])
  assert.deepEqual(calls, [
    ['acquire', key, options],
    ['open', key, options],
    ['move', key, key],
    ['remove', key],
    ['removeAsset', 'film', options],
    ['verify', options],
    ['close'],
  ])
})

test('[core 35] a third-party layer that wraps handles of its own make works in any place of the chain', async () => {
  const foreign: Layer = (inner) =>
    new (class extends AssetsLayer {
      override async acquire(...given: Parameters<Assets['acquire']>) {
        const got = await this.inner.acquire(...given)
        return withHandles(
          got,
          new ForwardingReader(got.reader),
          got.writer && new ForwardingWriter(got.writer),
          undefined,
        )
      }
    })(inner)
  const store = new FakeStore()
  const assets = chainOver(store, named('a'), foreign, named('b'))
  await fill(assets, key, Buffer.from('hello'))
  using reader = await assets.open(key)
  assert.equal(Buffer.from(await reader.bytes()).toString(), 'hello')
})

test('wrapAcquisition leaves native handles what they are, and adds its hooks to them', async () => {
  const store = new FakeStore()
  const got = await store.acquire(key)
  const told: string[] = []
  const wrapped = wrapAcquisition(got, {
    reader: { onClose: () => told.push('closed') },
    writer: {
      beforeWrite: (position, bytes) => void told.push(`write ${position}+${bytes}`),
      onSettled: (how) => told.push(how),
    },
  })
  assert.equal(wrapped, got)
  await wrapped.writer?.writeAt(0, Buffer.from('abc'))
  await wrapped.writer?.commit()
  await wrapped[Symbol.asyncDispose]()
  assert.deepEqual(told, ['write 0+3', 'commit', 'closed'])
})

test('wrapAcquisition of a staged one hears of both writers, and once that they settled', async () => {
  const store = new FakeStore()
  const got = await store.acquire(key, { staged: true })
  const told: string[] = []
  const { writer, stage, reader } = wrapAcquisition(got, {
    writer: {
      beforeWrite: (position, bytes) => void told.push(`write ${position}+${bytes}`),
      onSettled: (how) => told.push(how),
    },
  })
  await writer?.writeAt(0, Buffer.from('abcd'))
  await stage?.output.writeAt(0, Buffer.from('ab'))
  await stage?.output.commit()
  assert.deepEqual(told, ['write 0+4', 'write 0+2'])
  await writer?.release()
  assert.deepEqual(told, ['write 0+4', 'write 0+2', 'commit'])
  reader.close()
  stage?.source.close()
})

test('disposing a wrapped acquisition releases through the wrappers and closes what is below', async () => {
  const store = new FakeStore()
  const native = await store.acquire(key, { staged: true })
  assert.ok(native.writer && native.stage)
  const got = withHandles(
    native,
    new ForwardingReader(native.reader),
    new ForwardingWriter(native.writer),
    new ForwardingWriter(native.stage.output),
  )
  const told: string[] = []
  const wrapped = wrapAcquisition(got, {
    reader: { onClose: () => told.push('closed') },
    writer: { onSettled: (how) => told.push(how) },
  })
  await wrapped[Symbol.asyncDispose]()
  assert.deepEqual(told, ['release', 'closed'])
  assert.equal(store.inUse.size, 0)
})
