// Takes the README's pictures of the player, of this build: `npx tsc -b && node scripts/screenshot.mjs`. Wants a chromium, in
// /usr/bin/chromium or where CHROMIUM says.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}/docs/images`

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
}

/**
 * Half of a film that was sought in, on its way in over a slow line, beside another one that is all there.
 * @param {'light' | 'dark'} colorScheme
 */
async function take(colorScheme) {
  const player = spawn(process.execPath, [`${root}/examples/dist/hls-player/main.js`, '--mem'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(player.stdout, 'data')
  const address = /http:\S+/.exec(String(line))?.[0] ?? ''
  const context = await browser.newContext({ viewport: { width: 1180, height: 790 }, colorScheme, bypassCSP: true })
  const page = await context.newPage()
  try {
    await page.goto(`${address}#stream=fmp4`)
    await post('/line', { delayMs: 40, bytesPerSecond: null })
    await page.waitForSelector('#parts li:nth-child(12)')
    await page.getByRole('button', { name: 'Fetch the rest' }).click()
    await page.waitForFunction("document.querySelectorAll('#parts li[data-state=committed]').length === 12")
    await page.getByRole('button', { name: 'pin', exact: true }).click()
    await post('/line', { delayMs: 120, bytesPerSecond: 16 * 1024 })
    await page.getByRole('button', { name: 'Film, MPEG-TS' }).click()
    await stateIs(['s002.ts', 'there'], ['s003.ts', 'begun'])
    await page.waitForFunction('video.currentTime > 1')
    await page.evaluate('video.currentTime = 9')
    await page.waitForFunction('video.readyState > 2 && video.currentTime >= 9')
    await page.evaluate('video.pause()')
    await post('/line', { delayMs: 120, bytesPerSecond: 8 * 1024 })
    await stateIs(
      ['s003.ts', '%'],
      ['s006.ts', 'critical'],
      ['s007.ts', 'medium'],
      ['s008.ts', 'medium'],
      ['s009.ts', '–'],
    )
    await stateIs(['s006.ts', 'begun'], ['s007.ts', 'begun'], ['s008.ts', 'begun'])
    await page.screenshot({ path: `${folder}/player-${colorScheme}.png` })
  } finally {
    await context.close()
    player.kill('SIGTERM')
  }

  /**
   * What the bars of these resources say: `begun`: a fifth of it is there at least; else what stands beside it.
   * @param {[label: string, what: string][]} wanted
   */
  async function stateIs(...wanted) {
    await page.waitForFunction(`${JSON.stringify(wanted)}.every(([label, what]) => {
      const row = [...document.querySelectorAll('#parts li')].find((each) => each.textContent.startsWith(label))
      if (what === 'there') return row?.dataset.state === 'committed'
      if (what === 'begun') return parseFloat(row?.querySelector('.range')?.style.width ?? 0) >= 20
      return row?.querySelector('.state').textContent.endsWith(what)
    })`)
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async function post(path, body) {
    await page.evaluate(`fetch('${path}', { method: 'POST', body: '${JSON.stringify(body)}' })`)
  }
}
