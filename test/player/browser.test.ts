// The player as a viewer has it: in a real browser.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { hang, status } from '../helpers/fixture-origin.js'
import { tempFolder } from '../helpers/temp-folder.js'
import { closeBrowser, currentTime, newPage, noChromium, play, playedTo, problemOf } from './chromium.js'
import { filmOrigin, isSegment, nameOf, type StreamName, snapshotOf, startPlayer } from './films.js'

const options = { skip: noChromium }
after(closeBrowser)

for (const stream of ['film', 'fmp4', 'audio'] as const satisfies readonly StreamName[]) {
  test(`${stream}: plays to its end, and a second view asks the origin for no segment`, options, async (t) => {
    const origin = await filmOrigin(t, stream)
    const player = await startPlayer(t, '--origin', origin.url(`/${stream}/index.m3u8`), '--root', tempFolder(t))
    let asked = 0
    for (const view of ['first', 'second']) {
      const page = await newPage(t)
      await page.goto(player.address)
      await play(page, 4)
      await playedTo(page, 1)
      const early = await currentTime(page)
      await playedTo(page, early + 5)
      await page.waitForFunction('video.ended', undefined, { timeout: 60_000 })
      assert.ok((await currentTime(page)) > 19.5, `the ${view} view ended at ${await currentTime(page)}`)
      assert.equal(await problemOf(page), '')
      if (view === 'first') asked = origin.requests.length
    }
    assert.equal(origin.requests.length, asked, 'the second view is served from the store')
    const segments = origin.requests.filter(isSegment).map(nameOf)
    assert.equal(new Set(segments).size, segments.length, 'no segment was asked for twice')
  })
}

test('a seek to 15 s of a cold stream asks the origin for that part first', options, async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const held = [1, 2, 3, 4, 5, 6].map((number) => `/film/s00${number}.ts`)
  for (const path of held) origin.answer(path, hang())
  const page = await newPage(t)
  await page.goto(player.address)
  await page.waitForFunction('video.readyState >= 1')
  // All slots are taken: the segment that is waited for, and the two behind it.
  await origin.asked(1, (request) => nameOf(request) === 's003.ts')
  const before = origin.requests.length
  await page.evaluate('video.currentTime = 15')
  await origin.asked(1, (request) => nameOf(request) === 's007.ts')
  assert.equal(origin.requests.slice(before).map(nameOf)[0], 's007.ts')
  await play(page)
  await playedTo(page, 15.2)
})

test(
  'the origin is gone half way: what is there still plays, and the page says what is missing',
  options,
  async (t) => {
    const origin = await filmOrigin(t)
    const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--root', tempFolder(t))
    for (let number = 5; number < 10; number++) origin.answer(`/film/s00${number}.ts`, hang())
    {
      const page = await newPage(t)
      await page.goto(player.address)
      await page.waitForFunction("document.querySelectorAll('#parts li[data-state=committed]').length >= 6") // and the playlist
    }
    await origin[Symbol.asyncDispose]()
    const page = await newPage(t)
    await page.goto(player.address)
    await play(page, 2)
    await page.waitForFunction('video.currentTime >= 9.5', undefined, { timeout: 60_000 })
    await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
    assert.match(await problemOf(page), /s005\.ts/)
    const { failures } = await snapshotOf(player)
    assert.ok(
      failures.some(({ message }) => message.includes('/film/s005.ts')),
      JSON.stringify(failures),
    )
  },
)

test('what was given up is begun again by a seek, and by a button that a keyboard reaches', options, async (t) => {
  const origin = await filmOrigin(t)
  for (const name of ['s002.ts', 's008.ts']) origin.answer(`/film/${name}`, status(403))
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const page = await newPage(t)
  await page.goto(player.address)
  await play(page)
  await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
  await page.waitForFunction("failures.textContent.includes('/film/s002.ts')")
  assert.equal(await page.locator('#failures li').count(), 1, 'hls.js asked twice: that is one failure')
  await page.evaluate('video.currentTime = 12')
  await playedTo(page, 12.2)
  await page.waitForFunction('failures.childElementCount === 0 || failures.textContent.includes("s008.ts")')
  await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
  assert.match(await problemOf(page), /s008\.ts/)
  origin.answer('/film/s008.ts')
  await page.getByRole('button', { name: 'Try again' }).press('Enter')
  await playedTo(page, 17)
  await page.waitForFunction('failures.childElementCount === 0')
})

test('the origin is plugged in again: it plays on by itself', options, async (t) => {
  const player = await startPlayer(t, '--mem')
  const page = await newPage(t)
  await page.goto(player.address)
  await play(page)
  await playedTo(page, 0.5)
  await page.getByLabel('origin unplugged').check()
  await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
  await page.getByLabel('origin unplugged').uncheck()
  await page.waitForFunction('trouble.hidden')
  await page.evaluate('video.playbackRate = 4')
  await page.waitForFunction('video.currentTime > 18', undefined, { timeout: 60_000 })
})

for (const what of ['playlist', 's00'])
  test(
    `a ${what === 's00' ? 'segment' : what} that is forgotten on its way is fetched anew, and is no failure`,
    options,
    async (t) => {
      const player = await startPlayer(t, '--mem')
      const post = (path: string, body: object) =>
        fetch(`${player.address}${path}`, { method: 'POST', body: JSON.stringify(body) })
      await post('line', what === 's00' ? { bytesPerSecond: 8192 } : { delayMs: 2000 })
      const page = await newPage(t)
      await page.goto(player.address)
      const bar = what === 's00' ? '.range + .head' : '.head'
      await page
        .locator('#parts li', { hasText: what })
        .filter({ has: page.locator(bar) })
        .first()
        .waitFor()
      await post('forget', { asset: 'film' })
      await post('line', { delayMs: 0, bytesPerSecond: null })
      await play(page)
      await playedTo(page, 1)
      await page.waitForTimeout(500)
      assert.deepEqual((await snapshotOf(player)).failures, [])
    },
  )

test('a reload stays at the stream that was chosen', options, async (t) => {
  const player = await startPlayer(t, '--mem')
  const page = await newPage(t)
  await page.goto(player.address)
  await page.getByRole('button', { name: 'Audio only' }).click()
  await page.reload()
  await page.locator('button[aria-pressed=true]', { hasText: 'Audio only' }).waitFor()
})

test('a wrong key is an error in the page, not a hang', options, async (t) => {
  const origin = await filmOrigin(t)
  origin.put('/film/key.bin', { bytes: Buffer.alloc(16, 7) })
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const page = await newPage(t)
  await page.goto(player.address)
  await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
  assert.match(await problemOf(page), /s000\.ts/)
})

test('a playlist that is a page is an error in the page', options, async (t) => {
  const origin = await filmOrigin(t)
  origin.put('/film/index.m3u8', { bytes: Buffer.from('<!doctype html><title>Sorry</title>') })
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const page = await newPage(t)
  await page.goto(player.address)
  await page.waitForFunction("problem.textContent.includes('not a playlist')", undefined, { timeout: 60_000 })
})

test('it plays under its own content security policy, and nothing is against that', options, async (t) => {
  const player = await startPlayer(t, '--mem')
  const page = await newPage(t, { isBoundByPolicy: true })
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(player.address)
  await page.locator('#parts li[data-state=committed]').nth(3).waitFor()
  await page.evaluate(`new Promise((resolve) => {
    video.addEventListener('timeupdate', () => video.currentTime > 0 && resolve())
    video.play()
  })`)
  assert.deepEqual(complaints, [])
})

test('the page shows what comes at which priority, pins, and what the store holds', options, async (t) => {
  const player = await startPlayer(t, '--mem')
  const page = await newPage(t)
  // Before anything is asked for: at the usual pace all may be there before a slow machine gets to this.
  await fetch(`${player.address}line`, { method: 'POST', body: JSON.stringify({ bytesPerSecond: 8192 }) })
  await page.goto(player.address)
  await page.waitForSelector('#parts .head.critical')
  await page.waitForSelector('#parts .head.medium')
  await page.waitForSelector('#parts .range')
  await page.getByRole('button', { name: 'pin' }).first().click()
  await page.getByRole('button', { name: 'pinned' }).waitFor()
  assert.equal((await snapshotOf(player)).assets[0]?.isPinned, true)
  await page.getByText('of 461 kB').waitFor()
  await page.getByLabel('origin unplugged').check()
  await page.waitForFunction('!trouble.hidden', undefined, { timeout: 60_000 })
})

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the page fits a phone and can be read, ${colorScheme}`, options, async (t) => {
    const player = await startPlayer(t, '--mem')
    const page = await newPage(t, { colorScheme, width: 360 })
    await page.goto(player.address)
    await page.waitForSelector('#parts li')
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
    const lightness =
      '(c) => Math.max(...getComputedStyle(document.documentElement)[c].match(/\\d+/g).slice(0, 3).map(Number))'
    const [ink, paper] = await page.evaluate<[number, number]>(
      `[(${lightness})('color'), (${lightness})('backgroundColor')]`,
    )
    assert.ok(colorScheme === 'light' ? ink < 80 && paper > 200 : ink > 200 && paper < 80, `${ink} on ${paper}`)
  })
}
