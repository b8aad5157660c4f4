import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import fs, { existsSync, type NoParamCallback } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Ownership, type OwnershipOptions, readOwner, takeOwnership } from '#assets/index/ownership.js'
import { isProvedDead, thisProcess } from '#assets/index/process-identity.js'
import type { Answer, Command } from './ownership-child.js'

const HOUR = 3_600_000
const locked = { name: 'StoreLockedError', code: 'ERR_CISTERN_STORE_LOCKED' }
const readonly = { name: 'StoreReadonlyError', code: 'ERR_CISTERN_STORE_READONLY' }
const linuxOnly = process.platform === 'linux' ? false : 'needs /proc and signals'

describe('one process owns a root', () => {
  let base: string
  let dir: string
  let undo: (() => unknown)[]

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'ownership-'))
    dir = join(base, '_index')
    await mkdir(dir)
    undo = []
  })

  afterEach(async () => {
    for (const step of undo.reverse()) await step()
    await rm(base, { recursive: true, force: true })
  })

  const take = async (options: Partial<OwnershipOptions> = {}): Promise<Ownership> => {
    const ownership = await takeOwnership(dir, { onLost: () => assert.fail('lost'), ...options })
    undo.push(() => ownership.release())
    return ownership
  }

  const child = async (): Promise<Child> => {
    const started = await Child.start()
    undo.push(() => started.kill())
    return started
  }

  /** A root whose owner was killed. */
  const orphan = async (): Promise<{ pid: number; session: string }> => {
    const holder = await child()
    const { session } = await holder.ask({ take: dir, staleMs: HOUR })
    assert.ok(session)
    await holder.kill()
    return { pid: holder.pid, session }
  }

  /** Rewrites the record in place, as an owner elsewhere would have written it. */
  const editOwner = async (change: object): Promise<void> => {
    const path = join(dir, 'owner')
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }))
  }

  test('a second owner in the process is refused with the first one named [core 31]', async () => {
    const first = await take()
    await assert.rejects(take(), { ...locked, message: new RegExp(`process ${process.pid} on ${hostname()} since 2`) })
    first.check()
    assert.equal((await readOwner(dir))?.session, first.session)
  })

  test('a second owner in another process is refused with the first one named [core 31]', async () => {
    const first = await take()
    const second = await (await child()).ask({ take: dir, staleMs: HOUR })
    assert.equal(second.code, locked.code)
    assert.match(second.refused ?? '', new RegExp(`process ${process.pid} on ${hostname()} since 2`))
    first.check()
  })

  test('a released root is free, and names who had it', async () => {
    const first = await take()
    assert.equal(first.previous, undefined)
    assert.match(first.session, /^[0-9a-z]{1,20}$/)
    await first.release()
    assert.deepEqual(await readdir(dir), ['owner'])
    assert.equal(await readOwner(dir), undefined)
    const second = await take()
    assert.equal(second.previous?.owner?.session, first.session)
    assert.equal(second.previous?.provedDead, true)
    assert.notEqual(second.session, first.session)
  })

  test('a killed owner is replaced at once, whatever the stale time [core 31]', { skip: linuxOnly }, async () => {
    const dead = await orphan()
    assert.equal((await readOwner(dir))?.pid, dead.pid)
    const next = await take({ staleMs: HOUR })
    assert.equal(next.previous?.owner?.session, dead.session)
    assert.equal(next.previous?.provedDead, true)
    next.check()
  })

  test('so is one that was killed while its record was being written [core 31]', { skip: linuxOnly }, async () => {
    const dead = await orphan()
    await writeFile(join(dir, 'owner'), '')
    const next = await take({ staleMs: HOUR })
    assert.equal(next.previous?.owner?.session, dead.session)
    assert.equal(next.previous?.provedDead, true)
  })

  test('so is one that exited without releasing [core 31]', async () => {
    const holder = await child()
    await holder.ask({ take: dir, staleMs: HOUR })
    await holder.exit()
    assert.equal(existsSync(join(dir, 'lock')), false)
    const next = await take({ staleMs: HOUR })
    assert.equal(next.previous?.owner?.pid, holder.pid)
  })

  test('an owner of another host is replaced only when stale [core 31]', async () => {
    await orphan()
    await editOwner({ host: 'elsewhere.example' })
    await assert.rejects(take({ staleMs: HOUR }), { ...locked, message: /on elsewhere\.example since/ })
    await utimes(join(dir, 'lock'), 1, 1)
    const next = await take({ staleMs: HOUR })
    assert.deepEqual(
      [next.previous?.owner?.host, next.previous?.provedDead],
      ['elsewhere.example', false],
      'stale is not dead',
    )
  })

  test('a record that cannot be read proves nothing about who wrote it', async () => {
    await writeFile(join(dir, 'owner'), '{"session":')
    const next = await take()
    assert.deepEqual(next.previous, { owner: undefined, provedDead: false })
  })

  test('a lock that is not ours is respected until it is stale', async () => {
    await mkdir(join(dir, 'lock'))
    await assert.rejects(take({ staleMs: HOUR }), locked)
    assert.deepEqual(await readdir(dir), ['lock'], 'the refused one leaves nothing')
    await utimes(join(dir, 'lock'), 1, 1)
    await take({ staleMs: HOUR })
  })

  for (const [gone, rounds] of [
    ['dead', 200],
    ['silent', 50],
  ] as const) {
    test(`of two contenders for a ${gone} owner’s root one wins, ${rounds} rounds [core 31]`, {
      skip: linuxOnly,
    }, async () => {
      await orphan()
      if (gone === 'silent') await editOwner({ host: 'elsewhere.example' })
      const contenders = await Promise.all([child(), child()])
      for (let round = 0; round < rounds; round++) {
        const root = join(base, `round-${round}`)
        await cp(dir, root, { recursive: true })
        if (gone === 'silent') await utimes(join(root, 'lock'), 1, 1)
        const answers = await Promise.all(contenders.map((each) => each.ask({ take: root, staleMs: HOUR })))
        const winner = answers.findIndex(({ session }) => session !== undefined)
        assert.equal(answers.filter(({ session }) => session).length, 1, `round ${round}: ${JSON.stringify(answers)}`)
        assert.equal(answers[1 - winner]?.code, locked.code)
        assert.equal((await readOwner(root))?.session, answers[winner]?.session)
        assert.deepEqual(await contenders[winner]?.ask({ check: true }), { losses: 0 })
        await contenders[winner]?.ask({ release: true })
        assert.deepEqual(await readdir(root), ['owner'], `round ${round} leaves nothing`)
        await rm(root, { recursive: true })
      }
    })
  }

  test('of many contenders for a free root at most one has it at a time [core 31]', async () => {
    const contenders = await Promise.all([child(), child(), child()])
    let won = 0
    let holders = 0
    const contend = async (each: Child): Promise<void> => {
      for (let round = 0; round < 60; round++) {
        const { session, code } = await each.ask({ take: dir, staleMs: HOUR })
        if (!session) {
          assert.equal(code, locked.code)
          continue
        }
        assert.equal(++holders, 1)
        won++
        assert.deepEqual(await each.ask({ check: true }), { losses: 0 })
        holders--
        await each.ask({ release: true })
      }
    }
    await Promise.all(contenders.map(contend))
    assert.ok(won > 0)
    assert.deepEqual(await readdir(dir), ['owner'])
  })

  test('one who was suspended past the stale time finds the root lost, and takes nothing of its successor’s [core 32]', {
    skip: linuxOnly,
  }, async () => {
    const first = await child()
    await first.ask({ take: dir, staleMs: 2_000 })
    first.signal('SIGSTOP')
    const second = await whenStale()
    assert.equal(second.previous?.owner?.pid, first.pid)
    assert.equal(second.previous?.provedDead, false, 'it is only suspended')
    first.signal('SIGCONT')
    const verdict = await first.ask({ check: true })
    assert.deepEqual([verdict.code, verdict.losses], [readonly.code, 1])
    assert.deepEqual(await first.ask({ release: true }), { losses: 1 })
    await first.exit()
    stillOwns(second)
  })

  /** As if a successor had judged us gone and won the claim. */
  const loseClaim = (): string => {
    const [ours = ''] = fs.readdirSync(join(dir, 'claim'))
    const successors = ours.replace(/^[0-9a-z]+/, 'successor')
    fs.renameSync(join(dir, 'claim', ours), join(dir, 'claim', successors))
    return successors
  }

  test('one who lost the claim before he had the lock leaves his successor’s alone [core 55]', {
    skip: linuxOnly,
  }, async (t) => {
    await orphan()
    let successors = ''
    mock<[string], Promise<string[]>>(t, fs.promises, 'readdir', (original) => async (path) => {
      const names = await original(path)
      // Suspended here for longer than the stale time, he has lost his claim when he goes on, to one who has the lock as well.
      if (path === dir) successors = loseClaim()
      return names
    })
    await assert.rejects(take({ staleMs: HOUR }), locked)
    assert.deepEqual(fs.readdirSync(join(dir, 'claim')), [successors])
    assert.ok(existsSync(join(dir, 'lock')))
  })

  test('one who lost the claim while he made the lock is refused like any other [core 55]', async (t) => {
    mock<[string, number, NoParamCallback], void>(
      t,
      fs,
      'mkdir',
      (original) => (path, mode, done) =>
        original(path, mode, (error) => {
          loseClaim()
          done(error)
        }),
    )
    await assert.rejects(take({ staleMs: HOUR }), locked)
  })

  for (const [end, leave] of [
    ['exits', (each: Child) => each.exit()],
    ['is terminated', (each: Child) => each.terminate()],
  ] as const) {
    test(`one who ${end} before noticing leaves its successor’s lock alone [core 32]`, {
      skip: linuxOnly,
    }, async () => {
      const first = await child()
      await first.ask({ take: dir, staleMs: 2_000 })
      first.signal('SIGSTOP')
      const second = await whenStale()
      const left = leave(first)
      first.signal('SIGCONT')
      await left
      stillOwns(second)
    })
  }

  /** Takes the root of a suspended owner as soon as that is possible. */
  const whenStale = async (): Promise<Ownership> => {
    await assert.rejects(take({ staleMs: HOUR }), locked, 'a suspended owner is not proved dead')
    await utimes(join(dir, 'lock'), 1, 1)
    return take({ staleMs: 2_000 })
  }

  const stillOwns = (ownership: Ownership): void => {
    ownership.check()
    assert.ok(existsSync(join(dir, 'lock')))
    assert.equal(ownership.lost, undefined)
  }

  for (const [tampering, tamper] of [
    ['removed', (lock: string) => rmdir(lock)],
    ['touched', (lock: string) => utimes(lock, 1, 1)],
  ] as const) {
    test(`a lock ${tampering} from outside is lost: said once, thrown only by check [core 32]`, async () => {
      const losses: Error[] = []
      const told = new EventEmitter()
      const ownership = await take({
        staleMs: 2_000,
        onLost: (error) => {
          losses.push(error)
          told.emit('lost')
          throw new Error('what a listener throws must not end the host')
        },
      })
      const alive = setInterval(() => undefined, 1_000) // the lock's own timer keeps nobody waiting
      undo.push(() => clearInterval(alive))
      await Promise.all([once(told, 'lost'), tamper(join(dir, 'lock'))])
      assert.throws(() => ownership.check(), readonly)
      assert.deepEqual(losses, [ownership.lost])
      await ownership.release()
      assert.equal(existsSync(join(dir, 'lock')), tampering === 'touched', 'what it no longer owns it leaves')
    })
  }

  test('a lock put in place of ours is left alone, noticed or not [core 32]', async () => {
    const ownership = await take()
    await rmdir(join(dir, 'lock'))
    await mkdir(join(dir, 'lock'))
    await ownership.release()
    assert.deepEqual(await readdir(dir), ['lock', 'owner'])
  })

  test('a record replaced by another owner’s is seen by the next check [core 32]', async () => {
    const losses: Error[] = []
    const ownership = await take({ onLost: (error) => losses.push(error) })
    ownership.check()
    const foreign = JSON.stringify({ session: 'other', pid: 1, host: 'elsewhere.example', since: 'now' })
    await writeFile(join(dir, 'foreign'), foreign)
    await rename(join(dir, 'foreign'), join(dir, 'owner'))
    assert.throws(() => ownership.check(), readonly)
    assert.throws(() => ownership.check(), readonly)
    assert.deepEqual(losses, [ownership.lost])
    await ownership.release()
    assert.equal(await readFile(join(dir, 'owner'), 'utf8'), foreign, 'a foreign record is left as it is')
    assert.ok(existsSync(join(dir, 'lock')), 'and so is the lock, which is now of whoever wrote it')
  })

  test('release may be called again, and leaves no timer, descriptor or listener', async () => {
    await (await take()).release() // what is made once per process
    const before = await residues()
    const timers = new Set<number>()
    const hook = createHook({
      init: (id, type) => type === 'Timeout' && timers.add(id),
      destroy: (id) => timers.delete(id),
    }).enable()
    undo.push(() => hook.disable())
    const ownership = await take()
    assert.ok(timers.size > 0, 'the lock is kept fresh')
    assert.ok(!process.getActiveResourcesInfo().includes('Timeout'), 'but that keeps no process alive')
    await Promise.all([ownership.release(), ownership.release()])
    await ownership.release()
    assert.deepEqual(await residues(), before)
    assert.equal(timers.size, 0)
    assert.throws(() => ownership.check(), readonly)
    assert.equal(ownership.lost, undefined)
  })

  test('a root that cannot be written is an I/O error with its path', async () => {
    const absent = join(base, 'absent')
    await assert.rejects(takeOwnership(absent, { onLost: () => undefined }), {
      name: 'StorageIoError',
      path: absent,
    })
    if (process.getuid?.() === 0) return
    await chmod(dir, 0o500)
    await assert.rejects(take(), { name: 'StorageIoError' })
    await chmod(dir, 0o700)
  })
})

describe('a process is proved dead', () => {
  const here = thisProcess()

  test('never while it runs', () => assert.equal(isProvedDead(here), false))

  test('by another boot of the same host', { skip: linuxOnly }, () => {
    assert.equal(isProvedDead({ ...here, bootId: 'an-earlier-one' }), true)
    assert.equal(isProvedDead({ ...here, bootId: 'an-earlier-one', host: 'elsewhere.example' }), false)
  })

  test('by a later process that has its pid', { skip: linuxOnly }, () => {
    assert.equal(isProvedDead({ ...here, startTime: '1' }), true)
    assert.equal(isProvedDead({ ...here, startTime: undefined }), false)
  })

  test('by its pid being gone, where the pid can be seen from here', { skip: linuxOnly }, () => {
    const gone = { ...here, pid: 2 ** 22 + 1 }
    assert.equal(isProvedDead(gone), true)
    assert.equal(isProvedDead({ ...gone, pidNamespace: '1' }), false)
    assert.equal(isProvedDead({ ...gone, bootId: undefined }), false)
    assert.equal(isProvedDead({ ...gone, host: 'elsewhere.example' }), false)
  })
})

/** Replaces a function until the test ends, for those who imported it by name, too. */
function mock<A extends unknown[], R>(
  t: TestContext,
  of: object,
  name: string,
  instead: (original: (...given: A) => R) => (...given: A) => R,
): void {
  const functions = of as Record<string, (...given: A) => R>
  const original = functions[name] ?? assert.fail(`no function ${name}`)
  const mocked = t.mock.method(functions, name, instead(original.bind(of)))
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
}

async function residues(): Promise<object> {
  await setImmediate() // closing a handle shows a turn later
  const descriptors = process.platform === 'linux' ? (await readdir('/proc/self/fd')).length : 0
  const listeners = process.eventNames().map((name) => [name, process.listenerCount(name)])
  return { descriptors, listeners, resources: process.getActiveResourcesInfo().sort() }
}

class Child {
  readonly #process: ChildProcess

  private constructor(started: ChildProcess) {
    this.#process = started
  }

  static async start(): Promise<Child> {
    const started = fork(fileURLToPath(new URL('./ownership-child.js', import.meta.url)), { execArgv: [] })
    await once(started, 'spawn')
    return new Child(started)
  }

  get pid(): number {
    return this.#process.pid ?? assert.fail('not started')
  }

  async ask(command: Command): Promise<Answer> {
    const answer = once(this.#process, 'message')
    this.#process.send(command)
    return (await answer)[0]
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  async exit(): Promise<void> {
    const end = once(this.#process, 'exit')
    this.#process.send({ exit: true })
    await end
  }

  async terminate(): Promise<void> {
    const end = once(this.#process, 'exit')
    this.signal('SIGTERM')
    await end
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const end = once(this.#process, 'exit')
    this.signal('SIGKILL')
    await end
  }
}
