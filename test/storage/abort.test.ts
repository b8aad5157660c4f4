import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { MemDriver, onAbort, Resource } from '@cistern/storage'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

test('one listener a signal, however many ask; it goes with the last of them', () => {
  const controller = new AbortController()
  const { signal } = controller
  const called: number[] = []
  const same = () => called.push(0)
  const stops = [onAbort(signal, same), onAbort(signal, same), onAbort(signal, () => called.push(2))]
  assert.equal(listeners(signal), 1)
  stops[0]?.()
  stops[0]?.()
  assert.equal(listeners(signal), 1)
  stops[1]?.()
  stops[2]?.()
  assert.equal(listeners(signal), 0)
  const stop = onAbort(signal, same)
  onAbort(signal, () => called.push(1))
  assert.equal(listeners(signal), 1)
  controller.abort()
  assert.deepEqual(called, [0, 1])
  assert.equal(listeners(signal), 0)
  stop()
})

test('a callback may take back another of the same signal', () => {
  const controller = new AbortController()
  let stop = () => {}
  onAbort(controller.signal, () => stop())
  stop = onAbort(controller.signal, () => assert.fail('was taken back'))
  controller.abort()
})

test('a thousand waits on one signal leave no listener behind, met or aborted, and print no warning', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const resource = new Resource({ generation: 'g', driver: new MemDriver() })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  const controller = new AbortController()
  const { signal } = controller
  const met = Array.from({ length: 1000 }, (_, i) => reader.waitRange(i, i + 1, { signal }))
  assert.equal(listeners(signal), 1)
  await writer.writeAt(0, new Uint8Array(1000))
  await Promise.all(met)
  assert.equal(listeners(signal), 0)
  const aborted = Array.from({ length: 1000 }, () => assert.rejects(reader.waitRange(2000, 2001, { signal })))
  const readable = reader.toReadable({ signal })
  const web = reader.toWeb({ signal })
  readable.on('error', () => {})
  controller.abort()
  await Promise.all(aborted)
  await assert.rejects(web.getReader().read())
  assert.equal(listeners(signal), 0)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  assert.deepEqual(warnings, [])
  await writer.release()
})

test('streams that end by themselves, and writeFrom, take their listener back', async () => {
  const resource = new Resource({ generation: 'g', driver: new MemDriver() })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  const { signal } = new AbortController()
  await writer.writeFrom([new Uint8Array(10)], { signal })
  await assert.rejects(writer.writeFrom([7 as unknown as Uint8Array], { signal }))
  await writer.commit()
  for await (const _ of reader.toReadable({ signal }));
  for await (const _ of reader.toWeb({ signal }) as unknown as AsyncIterable<Uint8Array>);
  for await (const _ of reader.chunks({ signal }));
  await reader.toWeb({ signal }).cancel()
  assert.equal(listeners(signal), 0)
})
