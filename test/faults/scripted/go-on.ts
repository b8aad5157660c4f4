import type { Durability } from '@cistern/assets'
import { contentOf } from '../content.js'
import type { History } from '../history.js'
import type { Held, Report } from '../report.js'
import { same } from '../survivors.js'
import { KEY, KEYS } from './keys.js'
import { decrypting, encrypted, Session } from './session.js'

const ENCRYPTED: readonly string[] = [KEY.encrypted.id, KEY.half.id]

/**
 * The next life: finishes what was left half done, with the bytes that are there, and reads all of it. For what goes
 * through a processor, that is the only way to see whether its source bytes are the right ones.
 */
export async function goOn(root: string, durability: Durability, history: History): Promise<string[]> {
  const violations: string[] = []
  const session = new Session(root, durability, (report: Report) => {
    if (report.is === 'violation') violations.push(report.what)
  })
  try {
    await session.open()
    for (const key of KEYS) {
      const [seen = null] = history.allowed(key.id) // one state, once it was looked at
      if (!same(session.held(key), seen))
        violations.push(
          `opened again, ${key.id} holds ${JSON.stringify(session.held(key))} and not ${JSON.stringify(seen)}`,
        )
      const stat = session.store.stat(key)
      const held = stat?.metadata as Held | undefined
      if (stat?.state === 'active' && held) await finish(session, key, held)
    }
    await session.checkpoint()
    const { badBlocks, missing } = await session.store.verify()
    if (badBlocks + missing > 0) violations.push(`gone on with: ${badBlocks} bad blocks, ${missing} missing`)
    await session.close()
  } catch (error) {
    violations.push(`cannot be gone on with: ${error instanceof Error ? error.stack : String(error)}`)
    if (session.isOpen) await session.close().catch(() => undefined) // what went wrong first is what is told
  }
  return violations
}

async function finish(session: Session, key: (typeof KEYS)[number], held: NonNullable<Held>): Promise<void> {
  const isEncrypted = ENCRYPTED.includes(key.id)
  await using got = await session.store.acquire(key, { processor: isEncrypted ? decrypting : undefined })
  const { writer, reader } = got
  if (!writer) throw new Error(`${key.id} is not finished, and there is no writer for it`)
  const plain = contentOf(held.of ?? key.id, held.nonce, 0, held.length)
  const source = isEncrypted ? encrypted(plain) : plain
  writer.setMetadata(held)
  for (const { start, end } of [...writer.coverage.gaps(0, source.length)])
    await writer.writeAt(start, source.subarray(start, end))
  await session.commit(writer, key, held, source.length)
  await session.compare(key, reader, held)
}
