import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { argsRepr, kwargsRepr, saferepr } from '../../../lib/celery/message/repr.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

/** Celery's saferepr of what a worker reads from JSON texts: `[json, maxLength, maxLevels, isTuple]`. */
const REAL_SAFEREPR = `
import json, sys
from celery.utils.saferepr import saferepr
out = []
for text, maxlen, maxlevels, is_tuple in json.load(sys.stdin):
    value = json.loads(text)
    out.append(saferepr(tuple(value) if is_tuple else value, maxlen, maxlevels))
json.dump(out, sys.stdout)
`

type Case = readonly [value: unknown, maxLength: number, maxLevels: number, isTuple: boolean]

function spelledByCelery(cases: readonly Case[]): string[] {
  return runPython(
    REAL_SAFEREPR,
    cases.map(([value, ...rest]) => [JSON.stringify(value), ...rest]),
  ) as string[]
}

const LONG = 'x'.repeat(2_000)
const HAND_MADE: readonly unknown[] = [
  null,
  true,
  '',
  "it's",
  "''''",
  'a\nb\t\u0000\u001b[31m',
  'é ß 日本語',
  '😀'.repeat(600),
  `${'😀 '.repeat(600)}end`,
  `${'word '.repeat(300)}end`,
  '\ud83d alone \ude00',
  LONG,
  [LONG, LONG],
  { [LONG]: LONG },
  [0, -0, 1, -1, 2 ** 53 - 1, 1.5, -2.25, 0.1, 1e21, 1e22, -1e21, 1.5e300, 1e-4, 1e-5, 0.00012, 1e-7, 1.25e-10, 5e-324],
  [1e16, 123456789012345680000, 1e15 + 0.3, 1.7976931348623157e308],
  [[]],
  [[], [[]], [[[]]], [[[[1]]]]],
  { a: {}, b: { c: {} }, d: { e: { f: {} } } },
  [{ a: { b: { c: [1] } } }],
  Array.from({ length: 600 }, (_, i) => i),
  Array.from({ length: 200 }, (_, i) => [i, [i, [i]]]),
  Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key ${i}`, { value: [i] }])),
  JSON.parse('{"__proto__": {"x": 1}, "constructor": null, "2": "b", "1": "a"}'),
]

celeryTest('every kind of value is spelled as Celery spells it, wherever the cut falls', () => {
  const lengths = [...Array.from({ length: 40 }, (_, i) => i + 1), 100, 1_023, 1_024, 1_025]
  const cases = HAND_MADE.flatMap((value) => lengths.map((length): Case => [value, length, 3, false]))

  expectSame(cases, spelledByCelery(cases))
})

celeryTest('generated values are spelled as Celery spells what the worker reads', () => {
  const value = fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' })
  const cases = fc.sample(
    fc.tuple(value, fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 5 }), fc.constant(false)),
    800,
  )

  expectSame(cases, spelledByCelery(cases))
})

celeryTest('args are spelled as the tuple and kwargs as the dict that Celery makes of them', () => {
  const list = fc.array(fc.jsonValue(), { size: 'medium' })
  const dict = fc.dictionary(fc.string(), fc.jsonValue(), { size: 'medium' })
  const calls = [[[], {}], [[1], { a: 1 }], [[1, 2], { z: 'é' }], ...fc.sample(fc.tuple(list, dict), 200)] as const

  const real = spelledByCelery(
    calls.flatMap(([args, kwargs]): Case[] => [
      [args, 1_024, 3, true],
      [kwargs, 1_024, 3, false],
    ]),
  )

  expect(calls.flatMap(([args, kwargs]) => [argsRepr([...args]), kwargsRepr(kwargs)])).toEqual(real)
})

function expectSame(cases: readonly Case[], real: readonly string[]): void {
  expect(real).toHaveLength(cases.length)
  // Compared here and not by jest, which takes long over large values.
  const different = cases.flatMap(([value, maxLength, maxLevels], index) => {
    const text = saferepr(value, maxLength, maxLevels)
    return text === real[index] ? [] : [{ value, maxLength, maxLevels, text, real: real[index] }]
  })
  expect(different.slice(0, 3)).toEqual([])
}

test.each([
  [[], '()'],
  [[1], '(1,)'],
  [[2, 3], '(2, 3)'],
  [["it's", null, true, 1.5], "('it\\'s', None, True, 1.5)"],
  [[-0, 1e21, 1e-7], '(0, 1e+21, 1e-07)'],
  [[{ a: { b: { c: 1 } } }], "({'a': {'b': {...}}},)"],
])('args %j are spelled %s', (args, text) => {
  expect(argsRepr(args)).toBe(text)
})

test.each([
  [{}, '{}'],
  [{ z: 'é' }, "{'z': 'é'}"],
  [{ list: [1, [2, [3]]] }, "{'list': [1, [2, [...]]]}"],
])('kwargs %j are spelled %s', (kwargs, text) => {
  expect(kwargsRepr(kwargs)).toBe(text)
})

test('a representation ends within a dozen characters of 1,024, with its brackets closed', () => {
  const args = [Array.from({ length: 2_000 }, (_, i) => i)]

  expect(argsRepr(args)).toHaveLength(1_035)
  expect(argsRepr(args).endsWith(', ...],)')).toBe(true)
})

test('a lone surrogate, which no header can hold, becomes U+FFFD; a pair stays', () => {
  expect(argsRepr(['\ud83d', '😀'])).toBe("('\ufffd', '😀')")
  expect(kwargsRepr({ '\ude00': 1 })).toBe("{'\ufffd': 1}")
})

test('any value can be spelled, and no spelling is much longer than its limit', () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true })
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), anything), fc.integer({ min: 1, max: 100 }), (value, maxLength) => {
      // A last string may reach the limit and have each letter escaped; then come dots and brackets.
      expect(Array.from(saferepr(value, maxLength)).length).toBeLessThanOrEqual(3 * maxLength + 20)
    }),
  )
})

test('a circle ends at the third level', () => {
  const circle: unknown[] = []
  circle.push(circle)

  expect(saferepr(circle)).toBe('[[[[...]]]]')
})

celeryTest('bytes and dates are spelled as Celery spells them', () => {
  const samples = ['', 'abc', 'it\'s \\ "q"\n', 'é漢', 'x'.repeat(3_000)].map((text) => Buffer.from(text))
  const dates = ['2026-11-22T05:02:44.872Z', '2026-11-22T05:02:00Z', '2026-11-22T05:02:07Z', '2026-01-01T00:00:00.001Z']
  const program = `
import base64, json, sys
from datetime import datetime
from celery.utils.saferepr import saferepr
given = json.load(sys.stdin)
texts = [saferepr((base64.b64decode(b),), 1024) for b in given['bytes']]
times = [saferepr((datetime.fromisoformat(d.replace('Z', '+00:00')),), 1024) for d in given['dates']]
print(json.dumps(texts + times))
`
  const bytes = [...samples, Buffer.from([0, 255])]
  const theirs = runPython(program, { bytes: bytes.map((each) => each.toString('base64')), dates })

  expect([...bytes, ...dates.map((date) => new Date(date))].map((value) => argsRepr([value]))).toEqual(theirs)
})
