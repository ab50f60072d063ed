import { expect, test } from '@jest/globals'
import { type PoolReport, ReuseReport, type ReuseReportResult } from '../../lib/observe/reuse-report.ts'
import { START_MS, tenMinutes, WrittenLog } from './written-log.ts'

function reportOf(lines: readonly string[]): ReuseReportResult {
  const report = new ReuseReport()
  for (const line of lines) report.add(line)
  return report.result()
}

function poolOf(lines: readonly string[]): PoolReport {
  const [pool, ...others] = reportOf(lines).pools
  expect(others).toHaveLength(0)
  return pool as PoolReport
}

test('a log of ten minutes gives exactly its figures', () => {
  const pool = poolOf(tenMinutes().lines)

  expect(pool).toMatchObject({
    pool: 'default',
    pid: 12,
    hostname: 'api-1',
    run: 1,
    from: '2026-11-22T10:00:00.000Z',
    to: '2026-11-22T10:10:00.000Z',
    countsFrom: 'pool.summary',
    publishes: 1_000,
    confirms: 998,
    leases: 31,
    channelsOpened: 3,
    channelsClosed: 2,
    publishesPerChannel: 1_000 / 3,
    reuseRatio: 0.997,
    failures: 1,
    failuresByCode: { ERR_UNROUTABLE: 1 },
    retries: 1,
    retriesByCode: { ERR_CHANNEL_CLOSED: 1 },
    returns: 1,
    maxLeased: 2,
    maxChannels: 8,
    waitMs: { p50: 0.5, p99: 0.5, max: 0.5, from: 'lines' },
    confirmMs: { p50: 4, p99: 4, max: 4, from: 'lines' },
    lifetimeMs: { mean: 320_000, max: 330_000 },
    closeReasons: { lost: 1, idle: 1 },
    reconnects: 1,
    connectionRetries: 1,
    blocked: 1,
    blockedMs: 10_000,
    leasesHeld: 1,
    warnings: { 'the fast path is off': 1 },
    churn: { openedPerMinute: 2, at: '2026-11-22T10:00:00.000Z' },
    isShared: false,
    channelsLeftOut: 0,
  })
  expect(pool.channels).toEqual([
    channel({
      channel: '2',
      publishes: 310,
      leases: 11,
      lifetimeMs: 330_000,
      openedAt: '2026-11-22T10:00:00.000Z',
      closedAt: '2026-11-22T10:05:30.000Z',
      reason: 'idle',
    }),
    channel({
      channel: '1',
      publishes: 300,
      leases: 10,
      lifetimeMs: 310_000,
      openedAt: '2026-11-22T10:00:00.000Z',
      closedAt: '2026-11-22T10:05:10.000Z',
      reason: 'lost',
    }),
    channel({ channel: '3', openedAt: '2026-11-22T10:05:10.000Z', isOpen: true }),
  ])
})

test('the timeline holds every publish and every channel', () => {
  const { buckets } = poolOf(tenMinutes().lines).timeline

  expect(buckets.reduce((sum, { publishes }) => sum + publishes, 0)).toBe(1_000)
  expect(buckets.filter(({ channelsOpened }) => channelsOpened > 0)).toEqual([
    expect.objectContaining({ from: '2026-11-22T10:00:00.000Z', channelsOpened: 2 }),
    expect.objectContaining({ from: '2026-11-22T10:05:04.000Z', channelsOpened: 1 }),
  ])
})

test('lines of level info alone give the same figures', () => {
  const log = tenMinutes()

  const { waitMs, confirmMs, confirmTimeline, ...figures } = poolOf(log.infoLines)
  const { waitMs: waitOfLines, confirmMs: confirmOfLines, confirmTimeline: ofLines, ...withDebug } = poolOf(log.lines)

  expect(figures).toEqual(withDebug)
  expect(waitMs).toEqual({ ...waitOfLines, from: 'summary' })
  expect(confirmMs).toEqual({ ...confirmOfLines, from: 'summary' })
  expect([ofLines.from, confirmTimeline.from]).toEqual(['lines', 'summary'])
})

test('the advice says in words what the figures ask for', () => {
  expect(poolOf(tenMinutes().infoLines).advice).toEqual([
    '1 publish failed: ERR_UNROUTABLE 1',
    '1 message came back unroutable: a queue or a binding is missing',
    'maxChannels is 8 and at most 2 were ever leased at once',
    '1 lease was held too long; pool.use() gives a lease back on every path, and lease.held lines show who took it',
    '1 reconnect, 1 failed attempt to connect; connection.close lines say why',
    'the broker blocked publishing 1 time, for 10 s in all: it ran short of memory or disk',
    'the fast path is off',
  ])
})

test('a pool with which all is well gets no advice', () => {
  const log = new WrittenLog()
    .write('channel.open', { channel: 1 })
    .at(1_000)
    .write('pool.summary', { publishes: 5_000, channelsOpened: 1, maxLeased: 1, maxChannels: 1, returns: 0 })

  expect(poolOf(log.lines).advice).toEqual([])
})

test('a log with no summary counts from the closing of channels', () => {
  const lines = tenMinutes().infoLines.filter((line) => !line.includes('pool.summary'))

  expect(poolOf(lines)).toMatchObject({
    countsFrom: 'channel.close',
    publishes: 610,
    leases: 21,
    channelsOpened: 3,
    channelsClosed: 2,
    failures: 1,
    retries: 1,
    maxLeased: null,
    waitMs: null,
  })
})

test('a log of debug lines alone is counted from them', () => {
  const log = tenMinutes()
  const lines = log.lines.filter((line) => !log.infoLines.includes(line))

  const pool = poolOf(lines)

  expect(pool).toMatchObject({ countsFrom: 'debug', publishes: 600, leases: 20 })
  expect(pool.channels.map(({ publishes, leases }) => [publishes, leases])).toEqual([
    [300, 10],
    [300, 10],
  ])
})

test('a log that begins in the middle of the life of a pool has the totals of its whole life', () => {
  const lines = tenMinutes().infoLines
  const middle = lines.findIndex((line) => line.includes('pool.summary'))

  const pool = poolOf(lines.slice(middle))

  expect(pool).toMatchObject({ publishes: 1_000, channelsOpened: 3, reuseRatio: 0.997, reconnects: 1 })
  // What the first summary sums up happened before the log began.
  expect(pool.timeline.buckets.reduce((sum, { publishes }) => sum + publishes, 0)).toBe(400)
})

test('pools, processes and hosts in one log are told apart', () => {
  const logs = [
    tenMinutes(),
    tenMinutes({ pid: 13 }),
    tenMinutes({ hostname: 'api-2' }),
    tenMinutes({ pool: 'mail' }),
  ].map(({ lines }) => lines)
  const interleaved = (logs[0] ?? []).flatMap((_, index) => logs.map((lines) => lines[index] ?? ''))

  const { pools, totals } = reportOf(interleaved)

  expect(pools.map(({ pool, pid, hostname }) => `${pool} ${pid} ${hostname}`).sort()).toEqual([
    'default 12 api-1',
    'default 12 api-2',
    'default 13 api-1',
    'mail 12 api-1',
  ])
  expect(totals).toEqual({
    pools: 4,
    publishes: 4_000,
    leases: 124,
    channelsOpened: 12,
    channelsClosed: 8,
    publishesPerChannel: 4_000 / 12,
    reuseRatio: 0.997,
    failures: 4,
    retries: 4,
    reconnects: 4,
  })
})

test('a process that was restarted with the same pid is another run, not a reconnect', () => {
  const log = new WrittenLog()
  for (const start of [0, 60_000, 120_000]) {
    log.at(start).write('connection.open', { connection: 1 }).write('channel.open', { channel: 1, connection: 1 })
    log.at(start + 10_000).write('pool.summary', { publishes: 100, channelsOpened: 1, leases: 7 })
  }

  const { pools, totals } = reportOf(log.lines)

  expect(pools.map(({ run, publishes, reconnects }) => [run, publishes, reconnects])).toEqual([
    [1, 100, 0],
    [2, 100, 0],
    [3, 100, 0],
  ])
  expect(totals).toMatchObject({ publishes: 300, channelsOpened: 3, leases: 21, reconnects: 0 })
})

test('two pools of one process that share a name are noticed, and not added up time and again', () => {
  const log = new WrittenLog()
  for (let minute = 1; minute <= 10; minute += 1) {
    log.at(minute * 60_000).write('pool.summary', { publishes: minute * 1_000, channelsOpened: 2 })
    log.at(minute * 60_000 + 1).write('pool.summary', { publishes: minute, channelsOpened: 1 })
  }

  const pool = poolOf(log.lines)

  expect(pool).toMatchObject({ publishes: 10_000, isShared: true })
  expect(pool.advice[0]).toContain('two pools of one process share this name')
})

test('rotated files that are read newest first give the same totals', () => {
  const { infoLines } = tenMinutes()
  const middle = infoLines.length / 2
  const newestFirst = [...infoLines.slice(middle), ...infoLines.slice(0, middle)]

  const { totals } = reportOf(newestFirst)

  expect(totals).toEqual(reportOf(infoLines).totals)
})

test('lines that are not ours are passed over and counted apart', () => {
  const { infoLines } = tenMinutes()
  const lines = [
    'Server listening on port 3000',
    '{"level":30,"msg":"request completed"}',
    '',
    ...infoLines,
    (infoLines[0] ?? '').slice(0, -30),
    (infoLines[0] ?? '').slice(30),
    '{"level":30,"event":"user.login","user":7}',
  ]

  const { records, skipped, totals } = reportOf(lines)

  expect(records).toBe(infoLines.length)
  expect(skipped).toEqual({ notJson: 1, otherRecords: 2, truncated: 2 })
  expect(totals).toEqual(reportOf(infoLines).totals)
})

test('a log cut anywhere gives a report', () => {
  const text = tenMinutes().lines.join('\n')

  for (let end = 0; end < text.length; end += 97) {
    const lines = text.slice(0, end).split('\n')
    const { records, skipped } = reportOf(lines)
    const cut = lines.at(-1) === '' ? 0 : 1
    expect(records + skipped.truncated).toBe(lines.length - 1 + cut)
    expect(skipped).toMatchObject({ notJson: 0, otherRecords: 0 })
    expect(skipped.truncated).toBeLessThanOrEqual(cut)
  }
})

test.each([null, 'many', -1, 1e308, [], {}, true])('a value of %j where a number belongs is passed over', (value) => {
  const fields = ['publishes', 'leases', 'channel', 'connection', 'lifetimeMs', 'waitMs', 'confirmMs', 'code', 'reason']
  const corrupt = Object.fromEntries(
    [...fields, 'blockedMs', 'maxLeased', 'channelsOpened'].map((name) => [name, value]),
  )
  const log = new WrittenLog().write('pool.summary', { publishes: 10, channelsOpened: 1 })
  const events = ['channel.open', 'channel.acquire', 'channel.release', 'channel.close', 'connection.open'] as const
  for (const event of [...events, 'connection.unblocked', 'publish.fail', 'publish.confirm', 'pool.warning'] as const) {
    log.write(event, corrupt)
  }
  log.write('pool.summary', corrupt)

  expect(poolOf(log.lines)).toMatchObject({ publishes: 10, channelsOpened: 1, reuseRatio: 0.9, blockedMs: 0 })
})

test('a name such as __proto__ is a name like others', () => {
  const log = new WrittenLog()
    .write('publish.fail', { code: '__proto__' })
    .write('channel.open', { channel: '__proto__' }, { pool: '__proto__' })

  const { pools } = reportOf(log.lines)

  expect(pools.map(({ pool }) => pool)).toEqual(['default', '__proto__'])
  expect(Object.entries(pools[0]?.failuresByCode ?? {})).toEqual([['__proto__', 1]])
})

test('channels opened faster than a pool needs are warned of', () => {
  const log = new WrittenLog()
  for (let id = 1; id <= 50; id += 1) {
    log.at(id * 1_000).write('channel.open', { channel: id })
    log.write('channel.close', { channel: id, publishes: 3, leases: 1, lifetimeMs: 500, reason: 'idle' })
  }

  const pool = poolOf(log.lines)

  expect(pool.churn).toEqual({ openedPerMinute: 50, at: '2026-11-22T10:00:00.000Z' })
  expect(pool.advice).toEqual([
    'only 66.66 % reuse: 50 channels opened for 150 publishes; 50 channels closed for the reason: idle',
    '50 channels were opened in the minute from 2026-11-22T10:00:00.000Z: raise minChannels or idleTimeoutMs, or look for what closes them',
  ])
})

test('all channels leased and long waits ask for more of them', () => {
  const log = new WrittenLog().write('pool.summary', {
    publishes: 9_000,
    channelsOpened: 4,
    maxLeased: 4,
    maxChannels: 4,
    waitMs: { p50: 1, p99: 120, max: 300 },
  })

  expect(poolOf(log.lines).advice).toEqual([
    'all 4 channels were leased at once and one acquire in a hundred waited 120 ms or longer: raise maxChannels',
  ])
})

test('ten thousand channels are all counted, and those that published most are listed', () => {
  const report = new ReuseReport()
  for (let id = 1; id <= 10_000; id += 1) {
    const common = `"time":${START_MS + id},"pid":1,"hostname":"h","pool":"default","channel":${id}`
    report.add(`{${common},"event":"channel.open"}`)
    report.add(`{${common},"event":"channel.close","publishes":${id % 1_000},"leases":1,"lifetimeMs":1}`)
  }

  const [pool] = report.result().pools

  expect(pool).toMatchObject({ channelsOpened: 10_000, channelsClosed: 10_000, publishes: 4_995_000, leases: 10_000 })
  expect(pool?.channels).toHaveLength(200)
  expect(pool?.channelsLeftOut).toBe(9_800)
  expect(pool?.channels[0]?.publishes).toBe(999)
})

test('a thousand processes are all in the totals, and the latest are listed', () => {
  const report = new ReuseReport()
  for (let pid = 1; pid <= 1_000; pid += 1) {
    report.add(
      `{"time":${START_MS + pid},"pid":${pid},"pool":"default","event":"pool.summary","publishes":10,"channelsOpened":1}`,
    )
  }

  const { totals, pools, poolsLeftOut } = report.result()

  expect(totals).toMatchObject({ pools: 1_000, publishes: 10_000, channelsOpened: 1_000, reuseRatio: 0.9 })
  expect(pools).toHaveLength(250)
  expect(pools.map(({ pid }) => pid)).toContain(1_000)
  expect(poolsLeftOut).toBe(750)
})

test('a line that stands for many messages sent again counts them all', () => {
  const log = new WrittenLog()
    .write('publish.retry', { taskId: 't1', code: 'ERR_CHANNEL_CLOSED', attempt: 1 })
    .write('publish.retry', { code: 'ERR_CHANNEL_CLOSED', more: 40 })

  expect(poolOf(log.lines)).toMatchObject({ retries: 41, retriesByCode: { ERR_CHANNEL_CLOSED: 41 } })
})

test('more channels than publishes are a reuse of 0, not less', () => {
  const log = new WrittenLog().write('pool.summary', { publishes: 1, channelsOpened: 3 })

  expect(poolOf(log.lines).reuseRatio).toBe(0)
})

test('an empty log is an empty report', () => {
  expect(reportOf([])).toMatchObject({
    records: 0,
    from: null,
    to: null,
    totals: { pools: 0, publishes: 0, reuseRatio: null, publishesPerChannel: null },
    pools: [],
  })
})

function channel(told: object): object {
  return {
    connection: '1',
    openMs: 2,
    publishes: null,
    leases: null,
    lifetimeMs: null,
    openedAt: null,
    closedAt: null,
    reason: null,
    isOpen: false,
    ...told,
  }
}
