import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flusher } from '#assets/index/flusher.js'
import { deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'

describe('the flusher', () => {
  it('brings data first, then the records, then what waited for them', async () => {
    const steps: string[] = []
    const flusher = new Flusher({ flushMs: 1e6, durable: async () => void steps.push('durable') })
    for (const name of ['a', 'b', 'c']) {
      flusher.add({
        prepare: async () => {
          await eventLoopTurn()
          steps.push(`prepared ${name}`)
          return false
        },
        settle: async () => void steps.push(`settled ${name}`),
      })
    }
    await flusher.flush(false)
    assert.deepEqual(steps.slice(0, 3).sort(), ['prepared a', 'prepared b', 'prepared c'])
    assert.equal(steps[3], 'durable')
    assert.deepEqual(steps.slice(4).sort(), ['settled a', 'settled b', 'settled c'])
    assert.equal(flusher.size, 0)
    flusher.stop()
  })

  it('syncs two files at once, no more', async () => {
    let most = 0
    let running = 0
    const flusher = new Flusher({ flushMs: 1e6, durable: async () => undefined })
    for (let i = 0; i < 9; i++) {
      flusher.add({
        prepare: async () => {
          most = Math.max(most, ++running)
          await eventLoopTurn()
          running--
          return false
        },
        settle: async () => undefined,
      })
    }
    await flusher.flush(false)
    assert.equal(most, 2)
    flusher.stop()
  })

  it('settles nothing while the journal fails, and all of it once that took', async () => {
    const steps: string[] = []
    let fails = true
    const durable = async () => {
      if (fails) throw new Error('full')
    }
    const flusher = new Flusher({ flushMs: 1e6, durable })
    flusher.add({
      prepare: async () => Boolean(steps.push('prepared')) && false,
      settle: async () => void steps.push('settled'),
    })
    await assert.rejects(flusher.flush(false), /full/)
    assert.deepEqual([steps, flusher.size], [['prepared'], 1])
    fails = false
    await flusher.flush(false)
    assert.deepEqual(steps, ['prepared', 'settled'])
    flusher.stop()
  })

  it('a flush that is asked for while one runs begins after it', async () => {
    const gate = deferred()
    let prepared = 0
    const flusher = new Flusher({ flushMs: 1e6, durable: async () => undefined })
    const one = {
      prepare: async () => (prepared++ === 0 ? gate.promise.then(() => false) : false),
      settle: async () => undefined,
    }
    flusher.add(one)
    const first = flusher.flush(false)
    await eventLoopTurn()
    flusher.add(one)
    const second = flusher.flush(false)
    assert.deepEqual([await stateOf(first), await stateOf(second), prepared], ['pending', 'pending', 1])
    gate.resolve()
    await Promise.all([first, second])
    assert.equal(prepared, 2)
    flusher.stop()
  })

  it('what only a thorough flush takes waits for one', async () => {
    const asked: boolean[] = []
    const flusher = new Flusher({ flushMs: 1e6, durable: async () => undefined })
    flusher.add({ prepare: async (thorough) => asked.push(thorough) > 0 && !thorough, settle: async () => undefined })
    await flusher.flush(false)
    await flusher.flush(false)
    assert.deepEqual([asked, flusher.size], [[false], 1])
    await flusher.flush(true)
    assert.deepEqual([asked, flusher.size], [[false, true], 0])
    flusher.stop()
  })

  it('one that takes the place of another is in its flush, and is told that it came late', async () => {
    const steps: string[] = []
    const flusher = new Flusher({ flushMs: 1e6, durable: async () => void steps.push('durable') })
    const one = (name: string, superseded?: () => void) => ({
      prepare: async (_: boolean, isLate: boolean) => {
        superseded?.()
        steps.push(`prepared ${name}${isLate ? ', late' : ''}`)
        return false
      },
      settle: async () => void steps.push(`settled ${name}`),
    })
    const third = one('third')
    const second = one('second', () => flusher.add(third, second))
    const first = one('first', () => {
      flusher.add(second, first)
      flusher.forget(first)
    })
    flusher.add(first)
    await flusher.flush(false)
    assert.deepEqual(steps, [
      'prepared first',
      'prepared second, late',
      'prepared third, late',
      'durable',
      'settled second',
      'settled third',
    ])
    flusher.add(first, third) // flushed long ago: nobody is owed this one
    assert.equal(flusher.size, 1)
    flusher.stop()
  })
})
