import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isoFormat, isoToUtc } from '../../../lib/celery/message/iso-time.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

test.each([
  [Date.UTC(2026, 10, 22, 5, 2, 44, 872), 0, '2026-11-22T05:02:44.872000+00:00'],
  [Date.UTC(2026, 10, 22, 5, 2, 44, 872), 356, '2026-11-22T05:02:44.872356+00:00'],
  [Date.UTC(2026, 10, 22, 5, 2, 44, 0), 7, '2026-11-22T05:02:44.000007+00:00'],
  [Date.UTC(2026, 10, 22, 5, 2, 44, 0), 0, '2026-11-22T05:02:44+00:00'],
  [0, 0, '1970-01-01T00:00:00+00:00'],
  [-1, 0, '1969-12-31T23:59:59.999000+00:00'],
])('%d ms and %d microseconds are %s', (ms, micros, text) => {
  expect(isoFormat(ms, micros)).toBe(text)
})

test.each([
  ['2026-11-22T05:02:44Z', '2026-11-22T05:02:44+00:00'],
  ['2026-11-22t05:02:44z', '2026-11-22T05:02:44+00:00'],
  ['2026-11-22 05:02Z', '2026-11-22T05:02:00+00:00'],
  ['2026-11-22T05:02:44.8Z', '2026-11-22T05:02:44.800000+00:00'],
  ['2026-11-22T05:02:44,872Z', '2026-11-22T05:02:44.872000+00:00'],
  ['2026-11-22T05:02:44.123456789Z', '2026-11-22T05:02:44.123456+00:00'],
  ['2026-11-22T05:02:44.000000Z', '2026-11-22T05:02:44+00:00'],
  ['2026-11-22T05:02:44+05:30', '2026-11-21T23:32:44+00:00'],
  ['2026-11-22T05:02:44-0800', '2026-11-22T13:02:44+00:00'],
  ['2026-12-31T23:30:00.5-01', '2027-01-01T00:30:00.500000+00:00'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00+00:00'],
])('%s is %s', (text, utc) => {
  expect(isoToUtc(text)).toBe(utc)
})

test.each([
  '2026-11-22T05:02:44',
  '2026-11-22',
  '2026-02-29T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T23:59:60Z',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00+01:60',
  '9999-12-31T23:59:59-01:00',
  '0000-01-01T00:00:00Z',
  '+012026-01-01T00:00:00Z',
  'Sun, 22 Nov 2026 05:02:44 GMT',
  ' 2026-11-22T05:02:44Z',
  '',
])('%j is no time with a zone', (text) => {
  expect(isoToUtc(text)).toBeUndefined()
})

celeryTest("Python spells any time as we do, and Celery's parser reads it back", () => {
  const program = `
import json, sys
from datetime import datetime, timedelta, timezone
from celery.utils.iso8601 import parse_iso8601
out = []
for ms, micros, text in json.load(sys.stdin):
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms, microseconds=micros)
    out.append([time.isoformat(), parse_iso8601(text) == time])
json.dump(out, sys.stdout)
`
  const first = Date.parse('0001-01-01T00:00:00Z')
  const last = Date.parse('9999-12-31T23:59:59.999Z')
  const times = fc.sample(fc.tuple(fc.integer({ min: first, max: last }), fc.integer({ min: 0, max: 999 })), 200)
  const ours = times.map(([ms, micros]) => isoFormat(ms, micros))

  const real = runPython(
    program,
    times.map((time, index) => [...time, ours[index]]),
  )

  expect(ours.map((text) => [text, true])).toEqual(real)
})
