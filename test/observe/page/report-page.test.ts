import { expect, test } from '@jest/globals'
import { reportPage } from '../../../lib/observe/page/report-page.ts'
import { ReuseReport } from '../../../lib/observe/reuse-report.ts'
import { tenMinutes, WrittenLog } from '../written-log.ts'

function pageOf(lines: readonly string[], skipped = ''): string {
  const report = new ReuseReport()
  for (const line of lines) report.add(line)
  return reportPage(report.result(), skipped)
}

test('the page shows the figures of the report', () => {
  const page = pageOf(tenMinutes().lines, '3 other records')

  expect(page).toContain('<b>99.7 %</b> of publishes found their channel open: 1,000 publishes over 3 channels')
  expect(page).toContain('2026-11-22 10:00:00 to 2026-11-22 10:10:00 UTC; ')
  expect(page).toContain('passed over 3 other records')
  expect(page).toContain('<dt>leased at once</dt><dd>2 of 8</dd>')
  expect(page).toContain('maxChannels is 8 and at most 2 were ever leased at once')
})

test('each channel is a bar from its opening to its close', () => {
  const page = pageOf(tenMinutes().lines)

  // Of ten minutes: two from the begin, for 310 and 330 s, and one from 310 s to the end.
  expect(page).toContain('<b class="closed" style="left:0%;width:51.67%">')
  expect(page).toContain('<b class="closed" style="left:0%;width:55%">')
  expect(page).toContain('<b class="open" style="left:51.67%;width:48.33%">')
})

test('what went wrong is marked in the picture, and named in its legend', () => {
  const page = pageOf(tenMinutes().lines)

  expect(page).toContain('1 closed connection, 1 alarm of the broker, 1 message sent again')
  expect(page).toContain('1 failed publish')
  for (const label of ['failed publishes', 'closed connections', 'alarms of the broker', 'messages sent again']) {
    expect(page).toContain(`</i>${label}</li>`)
  }
})

test('the latency is that of the debug lines, and of the summaries where there are none', () => {
  const log = tenMinutes()

  expect(pageOf(log.lines)).toContain('<h3>Confirm latency</h3>')
  expect(pageOf(log.infoLines)).toContain('<h3>Confirm latency since the pool was made</h3>')
})

test('a log that tells little gives a page without empty pictures', () => {
  const page = pageOf(new WrittenLog().write('pool.warning', { reason: 'nothing else' }).lines)

  expect(page).toContain('0 publishes over 0 channels')
  expect(page).not.toContain('<svg')
  expect(page).not.toContain('<table')
})

test('a picture of no publishes says why it is empty', () => {
  const opened = new WrittenLog().write('channel.open', { channel: 1 })
  expect(pageOf(opened.lines)).toContain('<p class="note">nothing was published</p>')
  opened.write('channel.close', { channel: 1, publishes: 7 })
  expect(pageOf(opened.lines)).toContain('<p class="note">no pool.summary in the log says when the publishes were</p>')

  expect(pageOf(tenMinutes().lines)).not.toContain('class="note"')
})

test('names from the log are text and nothing else', () => {
  const pool = '<script>alert(1)</script>\u202e"\'&'
  const page = pageOf(tenMinutes({ pool, hostname: '"><img src=x onerror=alert(1)>' }).lines)

  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
  expect(page).not.toMatch(/<script|<img|\u202e/)
})

test('the page needs nothing from elsewhere', () => {
  expect(pageOf(tenMinutes().lines)).not.toMatch(/\b(?:src|href)=|url\(|@import|https?:/)
})
