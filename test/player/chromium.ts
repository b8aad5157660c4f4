// A real browser, where there is one: Debian's chromium, or what CHROMIUM names.
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'

const PATH = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Why tests that need one are skipped; `false`: they are not. */
export const noChromium: string | false = existsSync(PATH)
  ? false
  : `SKIPPED: there is no ${PATH}: apt-get install chromium`

/** Nothing is asked of anybody but this machine, and what a page plays needs no click. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
]

let launched: Promise<Browser> | undefined

/** One browser for all tests of a file; `after` it is closed. */
function browser(): Promise<Browser> {
  launched ??= chromium.launch({ executablePath: PATH, args: FLAGS })
  return launched
}

export async function closeBrowser(): Promise<void> {
  await (await launched)?.close()
}

export interface PageOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  /** `waitForFunction` evaluates text in the page: its policy forbids that, and holds only where this is set. */
  readonly isBoundByPolicy?: boolean
}

/** A viewer of its own: no cache, no history. An error that a script of the page does not catch fails the test. */
export async function newPage(
  t: TestContext,
  { colorScheme = 'light', width = 1180, isBoundByPolicy = false }: PageOptions = {},
): Promise<Page> {
  const viewport = { width, height: 800 }
  const context = await (await browser()).newContext({ viewport, colorScheme, bypassCSP: !isBoundByPolicy })
  const page = await context.newPage()
  const errors: Error[] = []
  page.on('pageerror', (error) => errors.push(error))
  t.after(async () => {
    await context.close()
    if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join('; '))
  })
  return page
}

/** Expressions are text: they run in the page, where there are names that this file has not. */
export const currentTime = (page: Page): Promise<number> => page.evaluate<number>('video.currentTime')

export async function play(page: Page, rate = 1): Promise<void> {
  await page.waitForFunction('video.readyState >= 1')
  await page.evaluate(`video.muted = true; video.playbackRate = ${rate}; video.play().catch(() => undefined)`)
}

export async function playedTo(page: Page, seconds: number): Promise<void> {
  await page.waitForFunction(`video.currentTime >= ${seconds} || !trouble.hidden`, undefined, {
    timeout: 60_000,
  })
  const problem = await problemOf(page)
  if (problem !== '') throw new Error(`the page says: ${problem}`)
}

/** What the page says instead of playing; empty where it plays. */
export const problemOf = (page: Page): Promise<string> =>
  page.evaluate<string>("trouble.hidden ? '' : problem.textContent")
