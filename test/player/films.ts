// An origin of the test's own with the streams of the player's fixture, and a player in front of it.
import { readdirSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Child, spawnChild } from '../helpers/child.js'
import { type FixtureOrigin, type OriginFile, openOrigin } from '../helpers/fixture-origin.js'

const FIXTURE = new URL('../../../examples/hls-player/fixture/', import.meta.url)
const PLAYER = new URL('../../../examples/dist/hls-player/main.js', import.meta.url)
/** Nothing here takes that long; a player that hangs must not hang the tests. */
const OVERDUE_MS = 120_000

export type StreamName = 'film' | 'fmp4' | 'audio'

export function fixture(stream: StreamName, name: string): Buffer {
  return readFileSync(new URL(`${stream}/${name}`, FIXTURE))
}

/** Closed with the test. Files can be put in place of its own. */
export async function filmOrigin(t: TestContext, stream: StreamName = 'film'): Promise<FixtureOrigin> {
  const files: Record<string, OriginFile> = {}
  for (const name of readdirSync(new URL(`${stream}/`, FIXTURE)))
    files[`/${stream}/${name}`] = { bytes: fixture(stream, name) }
  const origin = await openOrigin(files)
  t.after(() => origin[Symbol.asyncDispose]())
  return origin
}

export const isSegment = ({ path }: { readonly path: string }): boolean => /\/[sma]\d+\.(ts|m4s)$/.test(path)

/** A segment's name without its folder. */
export const nameOf = ({ path }: { readonly path: string }): string => path.split('/').at(-1) ?? ''

export interface RunningPlayer {
  readonly address: string
  readonly child: Child
}

/** `npm start` with these arguments; ended with the test, which fails where that does not succeed. */
export async function startPlayer(t: TestContext, ...args: readonly string[]): Promise<RunningPlayer> {
  const child = spawnChild(PLAYER, { args })
  t.after(async () => {
    const overdue = setTimeout(() => child.process.kill('SIGKILL'), OVERDUE_MS)
    child.process.kill('SIGTERM')
    const { code, signal } = await child.exited
    clearTimeout(overdue)
    if (code !== 0 || child.stderr !== '') throw new Error(`it ended with ${code ?? signal}: ${child.stderr}`)
  })
  await child.printed(' plays ')
  return { address: /http:\S+/.exec(child.stdout)?.[0] ?? '', child }
}

/** As its page hears it: what is inside just now. */
export async function snapshotOf({ address }: RunningPlayer): Promise<PlayerSnapshot> {
  const stop = new AbortController()
  const response = await fetch(`${address}events`, { signal: stop.signal })
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString()
    if (text.includes('\n\n')) break
  }
  stop.abort()
  return JSON.parse(text.slice('data: '.length, text.indexOf('\n\n'))) as PlayerSnapshot
}

/** What tests look at of it. */
export interface PlayerSnapshot {
  readonly streams: readonly { readonly asset: string; readonly address: string }[]
  readonly parts: readonly { readonly label: string; readonly state: string }[]
  readonly more: number
  readonly assets: readonly { readonly asset: string; readonly isPinned: boolean; readonly bytes: number }[]
  readonly bytes: number
  readonly origin: { readonly requests: number }
  readonly failures: readonly { readonly number: number; readonly label: string; readonly message: string }[]
}

/** The playlist as it is served, and the addresses in it. */
export async function playlistOf(player: RunningPlayer): Promise<{ text: string; addresses: readonly string[] }> {
  const { streams } = await snapshotOf(player)
  const response = await fetch(new URL(streams[0]?.address ?? '', player.address))
  if (response.status !== 200) throw new Error(`the playlist is answered with ${response.status}`)
  const text = await response.text()
  const addresses = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return { text, addresses: addresses.map((address) => new URL(address, player.address).href) }
}
