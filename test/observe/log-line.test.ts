import { expect, test } from '@jest/globals'
import { readLogLine } from '../../lib/observe/log-line.ts'
import { START_MS } from './written-log.ts'

const LINE = `{"level":30,"time":${START_MS},"pid":12,"hostname":"api-1","pool":"default","event":"channel.open","channel":1}`

test('a line of ours is read with its pool, process and time', () => {
  expect(readLogLine(LINE)).toMatchObject({
    event: 'channel.open',
    pool: 'default',
    pid: 12,
    hostname: 'api-1',
    timeMs: START_MS,
    fields: { channel: 1 },
  })
})

test.each([`api-1  | ${LINE}`, `2026-11-22T10:00:00Z stdout F ${LINE}`, `${LINE}\r`])('%s is one of ours', (line) => {
  expect(readLogLine(line)).toMatchObject({ event: 'channel.open', pool: 'default' })
})

test.each([
  ['"2026-11-22T10:00:00.000Z"', START_MS],
  [`${START_MS / 1_000}`, START_MS],
  ['"yesterday"', undefined],
  ['-1', undefined],
  ['1e300', undefined],
  ['null', undefined],
])('the time %s is read as %s', (time, timeMs) => {
  expect(readLogLine(`{"time":${time},"pool":"default","event":"channel.open"}`)).toMatchObject({ timeMs })
})

test.each([
  ['Server listening on port 3000', 'notJson'],
  ['<a href="x">"event":</a>', 'truncated'],
  ['{"level":30,"msg":"request completed"}', 'otherRecords'],
  ['api-1  | {"level":30,"msg":"request completed"}', 'otherRecords'],
  ['{"level":30,"pool":"default","event":"user.login"}', 'otherRecords'],
  ['{"level":30,"pool":"default","event":"__proto__"}', 'otherRecords'],
  ['{"level":30,"event":"channel.open"}', 'otherRecords'],
  ['{"level":30,"pool":7,"event":"channel.open"}', 'otherRecords'],
  [LINE.slice(0, -20), 'truncated'],
  [LINE.slice(20), 'truncated'],
  ['{"level":30,"msg":"request comp', 'truncated'],
  [`${LINE.slice(0, 60)}${LINE}`, 'notJson'],
  [`"event":${LINE}`, 'channel.open'],
  ['', undefined],
  ['  \r', undefined],
])('%j is taken for what it is', (line, kind) => {
  const read = readLogLine(line)

  expect(typeof read === 'object' ? read.event : read).toBe(kind)
})
