import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { inPieces, randomBytes, randomInteger, randomNumbers, sha256, shuffled } from './bytes.js'
import { spawnChild } from './child.js'
import { deferred, stateOf } from './deferred.js'
import { countDescriptorsUnder, openFilesUnder, showsDescriptors } from './descriptors.js'
import { nextEvent } from './events.js'
import { inTempFolder, tempFolder } from './temp-folder.js'

test('a temp folder is gone after its test', async (t) => {
  let folder = ''
  await t.test('uses one', (inner) => {
    folder = tempFolder(inner)
    writeFileSync(`${folder}/file`, 'x')
  })
  assert.ok(folder)
  assert.equal(existsSync(folder), false)
  await assert.rejects(
    inTempFolder(async (place) => {
      folder = place
      assert.ok(existsSync(place))
      throw new Error('on purpose')
    }),
    /on purpose/,
  )
  assert.equal(existsSync(folder), false)
})

test('the same seed gives the same bytes, numbers and order, and another seed others', () => {
  assert.equal(sha256(randomBytes(1, 1_001)), sha256(randomBytes(1, 1_001)))
  assert.notEqual(sha256(randomBytes(1, 1_001)), sha256(randomBytes(2, 1_001)))
  assert.deepEqual([...randomBytes(3, 9)], [...randomBytes(3, 12).subarray(0, 9)])
  assert.equal(Buffer.concat([...inPieces(randomBytes(4, 1_000), 33)]).equals(randomBytes(4, 1_000)), true)
  const numbers = randomNumbers(7)
  const drawn = Array.from({ length: 1_000 }, () => randomInteger(numbers, 3, 6))
  assert.deepEqual([...new Set(drawn)].sort(), [3, 4, 5])
  assert.deepEqual(shuffled(randomNumbers(9), [1, 2, 3, 4, 5]), shuffled(randomNumbers(9), [1, 2, 3, 4, 5]))
  assert.deepEqual(shuffled(randomNumbers(9), [1, 2, 3, 4, 5]).sort(), [1, 2, 3, 4, 5])
})

test('descriptors are counted below a folder only', { skip: !showsDescriptors }, (t) => {
  const folder = tempFolder(t)
  assert.equal(countDescriptorsUnder(folder), 0)
  const descriptor = openSync(`${folder}/file`, 'w')
  assert.deepEqual(openFilesUnder(folder), [`${folder}/file`])
  assert.equal(countDescriptorsUnder(`${folder}/fi`), 0)
  closeSync(descriptor)
  assert.equal(countDescriptorsUnder(folder), 0)
})

test('a promise is seen pending, fulfilled and rejected', async () => {
  const { promise, resolve } = deferred<number>()
  assert.equal(await stateOf(promise), 'pending')
  resolve(1)
  assert.equal(await stateOf(promise), 'fulfilled')
  const failing = deferred()
  failing.reject(new Error('on purpose'))
  assert.equal(await stateOf(failing.promise), 'rejected')
})

test('the next event that matches is awaited, and no listener stays', async () => {
  const emitter = new EventEmitter<{ commit: [length: number] }>()
  const large = nextEvent(emitter, 'commit', (length) => length > 5)
  emitter.emit('commit', 5)
  emitter.emit('commit', 6)
  assert.deepEqual(await large, [6])
  await assert.rejects(
    nextEvent(emitter, 'commit', undefined, AbortSignal.abort(new Error('on purpose'))),
    /on purpose/,
  )
  assert.equal(emitter.listenerCount('commit'), 0)
})

test('a child talks, prints and ends by the signal that was sent', async () => {
  await using child = spawnChild(new URL('./echo.js', import.meta.url), { args: ['first'] })
  assert.equal(await child.nextMessage(), 'first')
  child.send('second')
  assert.equal(await child.nextMessage(), 'second')
  await child.printed('second')
  assert.deepEqual(await child.kill(), { code: null, signal: 'SIGKILL' })
  await assert.rejects(child.nextMessage(), /ended before that/)
  await assert.rejects(child.printed('third'), /ended before that/)
})
