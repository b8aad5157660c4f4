// Takes the README's pictures of the player, of this build: `npx tsc -b && node scripts/screenshot.mjs`. Wants a chromium, in
// /usr/bin/chromium or where CHROMIUM says.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}/docs/images`

const player = spawn(process.execPath, [`${root}/examples/dist/hls-player/main.js`, '--mem'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const [line] = await once(player.stdout, 'data')
const address = /http:\S+/.exec(String(line))?.[0] ?? ''
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
})
try {
  mkdirSync(folder, { recursive: true })
  await take('light')
  await take('dark')
} finally {
  await browser.close()
  player.kill('SIGTERM')
}

/**
 * Half of a film that was sought in, on its way in over a slow line, beside another one that is all there.
 * @param {'light' | 'dark'} colorScheme
 */
async function take(colorScheme) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 790 }, colorScheme, bypassCSP: true })
  const page = await context.newPage()
  await page.goto(address)
  await page.waitForSelector('#parts li')
  await post('/forget', { asset: 'film' })
  await post('/pin', { asset: 'fmp4', on: false })
  await post('/line', { delayMs: 40, bytesPerSecond: null })
  await page.getByRole('button', { name: 'Film, fMP4' }).click()
  await page.waitForFunction("document.querySelectorAll('#parts li[data-state=committed]').length > 8")
  await post('/line', { delayMs: 120, bytesPerSecond: 16 * 1024 })
  await page.getByRole('button', { name: 'Film, MPEG-TS' }).click()
  await page.waitForFunction("document.querySelectorAll('#parts li[data-state=committed]').length > 3")
  await page.waitForFunction('video.currentTime > 1')
  await page.evaluate('video.currentTime = 9')
  await page.waitForFunction('video.readyState > 2 && video.currentTime >= 9')
  await page.evaluate('video.pause()')
  await post('/line', { delayMs: 120, bytesPerSecond: 8 * 1024 })
  await page.getByRole('button', { name: 'pin', exact: true }).first().click()
  await page.waitForSelector('#parts .head.critical')
  await page.waitForSelector('#parts .head.medium')
  await page.waitForTimeout(900) // long enough for the next parts to be seen coming
  await page.screenshot({ path: `${folder}/player-${colorScheme}.png` })
  await context.close()

  /**
   * @param {string} path
   * @param {object} body
   */
  async function post(path, body) {
    await page.evaluate(`fetch('${path}', { method: 'POST', body: '${JSON.stringify(body)}' })`)
  }
}
