import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Serializers } from '../../../lib/celery/message/serializers.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

const serializers = new Serializers()
const typed = new Serializers({}, true).get('json')
const bytes = Buffer.from([0, 255, 65])
const time = new Date('2026-11-22T05:02:44.872Z')

/** What kombu's own decoder of the worker makes of a body: as Python writes it. */
function pythonSpelling(bodies: readonly { contentType: string; contentEncoding: string; body: Buffer }[]): string[] {
  const program = `
import base64, json, sys
from kombu import serialization
ACCEPT = {'application/json', 'application/x-yaml', 'application/x-msgpack'}
bodies = json.load(sys.stdin)
loads = lambda b: serialization.loads(base64.b64decode(b['body']), b['contentType'], b['contentEncoding'], accept=ACCEPT)
print(json.dumps([repr(loads(b)) for b in bodies]))
`
  return runPython(
    program,
    bodies.map((each) => ({ ...each, body: each.body.toString('base64') })),
  ) as string[]
}

function bodyOf(name: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>> = {}) {
  const serializer = serializers.get(name)
  const { contentType, contentEncoding } = serializer
  return { contentType, contentEncoding, body: Buffer.from(serializer.encode(args, kwargs, undefined)) }
}

/** What kombu makes of the values after they went through JSON, which Python and Node agree on. */
function jsonSpelling(values: readonly unknown[]): string[] {
  const program = 'import json, sys; print(json.dumps([repr(value) for value in json.load(sys.stdin)]))'
  return runPython(program, values) as string[]
}

const EMBED = "{'callbacks': None, 'errbacks': None, 'chain': None, 'chord': None}"

describe.each(['yaml', 'msgpack'])('%s', (name) => {
  celeryTest('is read by kombu as the values that were given', () => {
    const values = fc.sample(fc.array(fc.jsonValue({ maxDepth: 4 }).filter(isCarried), { maxLength: 4 }), {
      numRuns: 150,
      seed: 7,
    })
    const spelled = pythonSpelling(values.map((args) => bodyOf(name, args)))

    expect(spelled).toEqual(jsonSpelling(values).map((args) => `[${args}, {}, ${EMBED}]`))
  })

  celeryTest('keeps strings that look like something else', () => {
    const args = ['yes', 'No', 'null', '~', '1_000', '0o17', '12:30:45', '2026-01-01', '1e5', '=', '<<', '- a', '!x']
    const odd = ['', ' ', '#', '\u0000\u0007\u007f\u0085\u00a0\u2028\ufeff\uffff', 'é漢🎉', 'it\'s "quoted"\\', '\t\n']
    const kwargs = { true: 1, '': 2, ['k'.repeat(2_000)]: 3, '? :': 4 }
    const [body] = pythonSpelling([bodyOf(name, [...args, ...odd], kwargs)])

    expect(body).toBe(`[${jsonSpelling([[...args, ...odd]])[0]}, ${jsonSpelling([kwargs])[0]}, ${EMBED}]`)
  })

  celeryTest('carries binary data as bytes, and numbers that are none', () => {
    const [body] = pythonSpelling([bodyOf(name, [bytes, new Uint8Array([1]), Number.NaN, Number.NEGATIVE_INFINITY])])

    expect(body).toBe(`[[b'\\x00\\xffA', b'\\x01', nan, -inf], {}, ${EMBED}]`)
  })

  test.each([
    [undefined, /^args\[0\] is undefined/],
    [1n, /^args\[0\] is a BigInt/],
    [2 ** 53, /^args\[0\] is a whole number beyond 2\^53/],
    [new Map(), /^args\[0\] is an instance of Map/],
    [() => 1, /^args\[0\] is a function/],
    [{ a: [Promise.resolve()] }, /^args\[0\]\.a\[0\] is a promise/],
  ])('refuses %p, with its path', (value, message) => {
    expect(() => bodyOf(name, [value])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
    )
  })
})

/** JSON writes -0 as 0 and Python reads it so; the others keep it. Beyond 2^53 numbers are refused. */
function isCarried(value: unknown): boolean {
  if (typeof value === 'number')
    return !Object.is(value, -0) && (Number.isSafeInteger(value) || !Number.isInteger(value))
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, each]) => key !== '__proto__' && isCarried(each))
}

celeryTest('yaml carries a Date as a datetime of UTC', () => {
  const [body] = pythonSpelling([bodyOf('yaml', [time])])

  expect(body).toBe(`[[datetime.datetime(2026, 11, 22, 5, 2, 44, 872000, tzinfo=datetime.timezone.utc)], {}, ${EMBED}]`)
})

test('msgpack refuses a Date, which Python would not read as one', () => {
  expect(() => bodyOf('msgpack', [time])).toThrow(/^args\[0\] is a Date/)
})

test.each([[['a\ud800b']], [[{ '\udc00': 1 }]]])('msgpack refuses %j: a worker would drop it unread', (args) => {
  expect(() => bodyOf('msgpack', args)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(/half a pair of surrogates/) }),
  )
})

test('json with types carries Dates and binary data in envelopes, at any depth', () => {
  const body = typed.encode([time, { deep: [bytes] }], { when: time }, undefined)

  expect(JSON.parse(`${body}`)).toEqual([
    [
      { __type__: 'datetime', __value__: '2026-11-22T05:02:44.872000+00:00' },
      { deep: [{ __type__: 'base64', __value__: 'AP9B' }] },
    ],
    { when: { __type__: 'datetime', __value__: '2026-11-22T05:02:44.872000+00:00' } },
    { callbacks: null, errbacks: null, chain: null, chord: null },
  ])
})

test.each([
  [new Date(Number.NaN), /an invalid Date/],
  [new Date(8.64e15), /not of the years 1 to 9999/],
  [new Float64Array(1), /binary data/],
  [{ toJSON: () => 1 }, /toJSON/],
])('json with types refuses %p', (value, message) => {
  expect(() => typed.encode([value], {}, undefined)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
  )
})

test('without types json takes no Date', () => {
  expect(() => serializers.get('json').encode([time], {}, undefined)).toThrow(/^args\[0\] is a Date/)
})

test.each([
  ['jsn', 'jsn is not a serializer; did you mean json?'],
  ['protobuf', 'protobuf is not a serializer; known are json, yaml, msgpack'],
  ['constructor', 'constructor is not a serializer; known are json, yaml, msgpack'],
  ['pickle', /^pickle is not offered: whoever reads it runs the code of whoever wrote it/],
])('the serializer %s is refused', (name, message) => {
  expect(() => serializers.get(name)).toThrow(message)
})

describe('a serializer of the app’s own', () => {
  const own = (encode: (value: unknown) => never) =>
    new Serializers({ own: { contentType: 'application/x-own', encode } }).get('own')

  test('writes args, kwargs and embed, whatever they hold', () => {
    const seen: unknown[] = []
    const serializer = own(((value: unknown) => {
      seen.push(value)
      return new Uint8Array([1, 2])
    }) as never)
    const body = serializer.encode([1n], { m: new Map() }, serializer.prepare({ chain: [{ task: 'a' }] }))

    expect(body).toEqual(Buffer.from([1, 2]))
    expect(serializer).toMatchObject({ contentType: 'application/x-own', contentEncoding: 'utf-8' })
    expect(seen).toEqual([
      [[1n], { m: new Map() }, { callbacks: null, errbacks: null, chain: [{ task: 'a' }], chord: null }],
    ])
  })

  test('that throws, or gives no bytes, is ERR_INVALID_TASK', () => {
    const cause = new Error('no')
    const throwing = own(() => {
      throw cause
    })

    expect(() => throwing.encode([], {}, undefined)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_TASK',
        message: 'the serializer own cannot write the arguments',
        cause,
      }),
    )
    expect(() => own((() => 7) as never).encode([], {}, undefined)).toThrow(
      /must give a string or a Uint8Array, and gave a number/,
    )
    expect(() => own((() => '') as never).encode('x' as never, {}, undefined)).toThrow(/^args must be an array/)
  })
})
