// One of many who want the same root. Told `{ open: ROOT }`, it says whether it has it; then it waits for its end.
import { AssetStore, CisternError, ResourceKey } from '@cistern/assets'
import { type ContestAnswer, type ContestOrder, LEDGER } from './contest.js'

let store: AssetStore | undefined
process.on('disconnect', () => process.exit(1))
process.on('message', async ({ open: root, write }: ContestOrder) => {
  const answer = await (write === undefined ? take(root) : record(write)).catch(
    (error: unknown): ContestAnswer => ({ failed: error instanceof Error ? (error.stack ?? error.message) : 'failed' }),
  )
  process.send?.(answer)
})

async function take(root: string): Promise<ContestAnswer> {
  try {
    store = await AssetStore.open({ root, durability: 'strict', minFreeBytes: 0 })
    const last = await store.get(ResourceKey.of(LEDGER, 'last'))
    return { won: true, last: last && Buffer.from(last).toString() }
  } catch (error) {
    if (!CisternError.is(error, 'ERR_CISTERN_STORE_LOCKED')) throw error
    const { holder } = error as typeof error & { readonly holder?: { readonly pid: number } }
    return { won: false, holder: holder?.pid }
  }
}

async function record(text: string): Promise<ContestAnswer> {
  await store?.put(ResourceKey.of(LEDGER, 'last'), text)
  return { won: true, last: text }
}
