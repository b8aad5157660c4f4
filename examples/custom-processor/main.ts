// What is stored is what a processor made of what arrived, and it is made once.
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type AssetStore, CisternError, chain } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { aes256Ctr } from './ctr.js'
import { gunzip } from './gunzip.js'
import { dropLines } from './redact.js'

const SUBTITLES = Array.from({ length: 5_000 }, (_, n) => `${n % 7 === 0 ? '# note' : 'line'} ${n}\n`)
const TEXT = SUBTITLES.join('')

await using store = await MemStore.open()
await unzipped(store)
await decrypted(store)
await chained(store)
await damaged(store)
console.log('all as it should be')

async function unzipped(store: AssetStore): Promise<void> {
  const gzipped = gzipSync(TEXT)
  const { length } = await store.asset('gzip').put('subtitles.vtt', gzipped, { processor: gunzip() })
  assert.equal(length, TEXT.length)
  assert.equal(await text(store, 'gzip'), TEXT)
  console.log(`gunzip: ${gzipped.length} bytes in, ${length} stored`)
}

async function decrypted(store: AssetStore): Promise<void> {
  const { key, counter, cipherText } = encrypted(Buffer.from(TEXT))
  let made = 0
  const processor = () => {
    made += 1
    return aes256Ctr({ key, counter })
  }
  await store.asset('ctr').put('subtitles.vtt', cipherText, { processor })
  // Plain bytes are at rest now: they are read without the key, and asking with a function does not even call it.
  assert.equal(await text(store, 'ctr'), TEXT)
  const fill = () => assert.fail('it is all there')
  using reader = await store.asset('ctr').openOrFill('subtitles.vtt', fill, { processor })
  assert.equal(await reader.waitCommit(), TEXT.length)
  assert.equal(made, 1)
  console.log(`aes-256-ctr: ${cipherText.length} bytes decrypted, the processor made ${made} time`)
}

/** Encrypted, zipped, with notes in it: undone in this order, chunk by chunk, on the way in. */
async function chained(store: AssetStore): Promise<void> {
  const { key, counter, cipherText } = encrypted(gzipSync(TEXT))
  const processor = chain(aes256Ctr({ key, counter }), gunzip(), dropLines('# note'))
  await store.asset('chain').put('subtitles.vtt', inPieces(cipherText, 1_000), { processor })
  assert.equal(await text(store, 'chain'), SUBTITLES.filter((line) => !line.startsWith('#')).join(''))
  console.log('chain: decrypted, unzipped, and the notes are gone')
}

/** A transform that throws drops what was written; the next try starts anew. */
async function damaged(store: AssetStore): Promise<void> {
  const asset = store.asset('damaged')
  const cut = gzipSync(TEXT).subarray(0, -9)
  await assert.rejects(asset.put('subtitles.vtt', cut, { processor: gunzip() }), (error) =>
    CisternError.is(error, 'ERR_CISTERN_PROCESSING'),
  )
  assert.equal(asset.stat('subtitles.vtt'), undefined)
  await asset.put('subtitles.vtt', gzipSync(TEXT), { processor: gunzip() })
  assert.equal(await text(store, 'damaged'), TEXT)
  console.log('damaged: refused whole, nothing stored; the next try worked')
}

async function text(store: AssetStore, asset: string): Promise<string> {
  const bytes = await store.asset(asset).get('subtitles.vtt')
  return Buffer.from(bytes ?? []).toString('utf8')
}

function encrypted(plain: Uint8Array) {
  const key = randomBytes(32)
  const counter = randomBytes(16)
  const cipher = createCipheriv('aes-256-ctr', key, counter)
  return { key, counter, cipherText: Buffer.concat([cipher.update(plain), cipher.final()]) }
}

function* inPieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
