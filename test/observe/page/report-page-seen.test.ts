import { expect } from '@jest/globals'
import { reportPage } from '../../../lib/observe/page/report-page.ts'
import { ReuseReport } from '../../../lib/observe/reuse-report.ts'
import { backgroundOf, browserTest, faintText, misplacedText, useBrowser, type View } from '../../support/chromium.ts'
import { tenMinutes, WrittenLog } from '../written-log.ts'

const show = useBrowser()

const VIEWS: [string, View][] = [
  ['in light', { width: 1_000, scheme: 'light' }],
  ['in dark', { width: 1_000, scheme: 'dark' }],
  ['at the width of a phone', { width: 360, scheme: 'light' }],
  ['at the width of a phone in dark', { width: 360, scheme: 'dark' }],
  ['on paper', { width: 780, scheme: 'light', media: 'print' }],
]

/** Two pools: one of ten minutes, and one whose names and numbers are as long as they get. */
function page(): string {
  const long = new WrittenLog()
  const pool = 'a-pool-with-a-name-that-nobody-would-want-to-type-but-somebody-generated'
  for (let channel = 1; channel <= 60; channel++) {
    const [at, fields] = [channel * 1_000, { channel, connection: 1 }]
    long.at(at).write('channel.open', { ...fields, openMs: 2 }, { pool, pid: 4_194_304 })
    const reason = 'Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no exchange in vhost"'
    const closed = { ...fields, publishes: 123_456_789, leases: 12_345, lifetimeMs: 3_600_000, reason }
    long.at(at + 3_600_000).write('channel.close', closed, { pool, pid: 4_194_304 })
  }
  const report = new ReuseReport()
  for (const line of [...tenMinutes().lines, ...long.lines]) report.add(line)
  return reportPage(report.result(), '')
}

for (const [how, view] of VIEWS) {
  browserTest(
    `seen ${how}, no text of the report lies over another, none is cut off or broken, and all can be read`,
    async () => {
      const shown = await show(page(), view)

      expect(await misplacedText(shown)).toEqual([])
      expect(await faintText(shown)).toEqual([])
      const picture = await shown.locator('figure').first().boundingBox()
      expect(picture?.height).toBeGreaterThan(100)
      expect((await shown.screenshot({ fullPage: true })).length).toBeGreaterThan(10_000)
      await shown.close()
    },
    60_000,
  )
}

browserTest('light and dark look different', async () => {
  const background = async (scheme: 'light' | 'dark') => {
    const shown = await show(page(), { width: 1_000, scheme })
    const color = await backgroundOf(shown)
    await shown.close()
    return color
  }

  expect(await background('light')).toBe('rgb(255, 255, 255)')
  expect(await background('dark')).toBe('rgb(20, 24, 29)')
})
