import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { encodeArguments } from '../../../lib/celery/message/arguments.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

const EMPTY_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'

class Account {
  id = 1
}

class Money {
  toJSON(): string {
    return '1.00'
  }
}

class TaggedList extends Array<unknown> {
  toJSON(): string {
    return 'list'
  }
}

const circle: Record<string, unknown> = { name: 'circle' }
circle.children = [{ parent: circle }]
const ring: unknown[] = [1]
ring.push(ring)
const thrower = {
  get secret(): string {
    throw new Error('no')
  },
}
const revoked = Proxy.revocable({}, {})
revoked.revoke()
const trapped = new Proxy(
  {},
  {
    ownKeys: () => {
      throw new Error('trap')
    },
  },
)
const sparse = [1, 2]
sparse[4] = 5
function ownArguments(): unknown {
  // biome-ignore lint/complexity/noArguments: this object is what is tested
  return arguments
}
const argumentsObject = Reflect.apply(ownArguments, undefined, [1, 2])

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

const BAD_ARGS: readonly (readonly [what: string, args: unknown, kwargs: unknown, message: RegExp])[] = [
  ['args that are a string', 'secret', {}, /^args must be an array, got a string$/],
  ['args that are an object', { 0: 1 }, {}, /^args must be an array, got an object$/],
  ['args that are undefined', undefined, {}, /^args must be an array, got undefined$/],
  ['args that are a Set', new Set([1]), {}, /^args must be an array, got an instance of Set$/],
  ['args that are an arguments object', argumentsObject, {}, /^args must be an array, got an object$/],
  ['args that are a revoked proxy', revoked.proxy, {}, /^the arguments cannot be written as JSON$/],
  ['kwargs that are an array', [], [1], /^kwargs must be a plain object, got an array of 1$/],
  ['kwargs that are null', [], null, /^kwargs must be a plain object, got null$/],
  ['kwargs that are a Map', [], new Map(), /^kwargs must be a plain object, got an instance of Map$/],
  ['kwargs of a class', [], new Account(), /^kwargs must be a plain object, got an instance of Account$/],
  ['undefined', [undefined], {}, /^args\[0\] is undefined, which JSON would turn into null$/],
  [
    'undefined deep down',
    [{ user: { tags: ['a', 'b', undefined] } }],
    {},
    /^args\[0\]\.user\.tags\[2\] is undefined, which JSON would turn into null$/,
  ],
  ['undefined in an object', [{ a: undefined }], {}, /^args\[0\]\.a is undefined, which JSON would leave out$/],
  ['undefined in kwargs', [], { user: undefined }, /^kwargs\.user is undefined, which JSON would leave out$/],
  ['a key that is no word', [], { 'odd key': [() => 1] }, /^kwargs\["odd key"\]\[0\] is a function/],
  ['a hole', [sparse], {}, /^args\[0\]\[2\] is a hole in the array, which JSON would turn into null$/],
  ['a function', [() => 1], {}, /^args\[0\] is a function, which JSON has no word for$/],
  ['a class', [Account], {}, /^args\[0\] is a function/],
  ['a symbol', [Symbol('s')], {}, /^args\[0\] is a symbol, which JSON has no word for$/],
  ['a symbol as a key', [{ [Symbol('s')]: 1 }], {}, /^args\[0\] has a symbol as a key, which JSON would leave out$/],
  ['NaN', [Number.NaN], {}, /^args\[0\] is NaN, which JSON would turn into null$/],
  ['Infinity', [], { limit: Number.POSITIVE_INFINITY }, /^kwargs\.limit is Infinity, which JSON would turn into null$/],
  ['-Infinity', [Number.NEGATIVE_INFINITY], {}, /^args\[0\] is -Infinity/],
  ['a BigInt', [1n], {}, /^args\[0\] is a BigInt, which JSON has no word for: send a string$/],
  ['2^53', [2 ** 53], {}, /^args\[0\] is a whole number beyond 2\^53, which may have been rounded: send a string$/],
  ['-2^53', [-(2 ** 53)], {}, /beyond 2\^53/],
  ['a snowflake id', [], { id: Number('1234567890123456789') }, /^kwargs\.id is a whole number beyond 2\^53/],
  ['a Map', [new Map([[1, 2]])], {}, /^args\[0\] is an instance of Map, which JSON would turn into a plain object/],
  ['a Set', [[new Set()]], {}, /^args\[0\]\[0\] is an instance of Set/],
  ['a WeakMap', [new WeakMap()], {}, /^args\[0\] is an instance of WeakMap/],
  ['an Error', [new TypeError('x')], {}, /^args\[0\] is an instance of TypeError/],
  ['a RegExp', [/x/], {}, /^args\[0\] is an instance of RegExp/],
  ['a promise', [Promise.resolve(1)], {}, /^args\[0\] is a promise: await it first$/],
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is what is tested
  ['a thenable', [Object.fromEntries([['then', () => undefined]])], {}, /^args\[0\] is a promise: await it first$/],
  ['a Buffer', [Buffer.from('x')], {}, /^args\[0\] is a Buffer, .* send buffer\.toString\('base64'\)$/],
  ['a typed array', [new Uint8Array(2)], {}, /^args\[0\] is binary data \(an instance of Uint8Array\)/],
  ['a DataView', [new DataView(new ArrayBuffer(1))], {}, /^args\[0\] is binary data \(an instance of DataView\)/],
  ['an ArrayBuffer', [new ArrayBuffer(1)], {}, /^args\[0\] is binary data \(an instance of ArrayBuffer\)/],
  ['a Date', [], { at: new Date(0) }, /^kwargs\.at is a Date, .* for example date\.toISOString\(\)$/],
  ['an invalid Date', [new Date('x')], {}, /^args\[0\] is an invalid Date, which JSON would turn into null$/],
  ['an instance of a class', [{ by: new Account() }], {}, /^args\[0\]\.by is an instance of Account, which JSON/],
  ['an instance with toJSON', [new Money()], {}, /^args\[0\] is an instance of Money with a toJSON method/],
  ['a URL', [new URL('http://host')], {}, /^args\[0\] is an instance of URL with a toJSON method/],
  ['an array with toJSON', [TaggedList.of(1)], {}, /^args\[0\] is an array of 1 with a toJSON method/],
  ['an object with toJSON', [{ toJSON: () => 1 }], {}, /^args\[0\] is an object with a toJSON method/],
  ['an object with another as prototype', [Object.create({ a: 1 })], {}, /^args\[0\] is an object with a prototype/],
  ['an instance of a nameless class', [new (class {})()], {}, /^args\[0\] is an object with a prototype of its own/],
  ['a boxed number', [Object(1)], {}, /^args\[0\] is an instance of Number/],
  ['an arguments object', [argumentsObject], {}, /^args\[0\] is an arguments object: send an array$/],
  ['a circle', [circle], {}, /^args\[0\]\.children\[0\]\.parent is circular: it is args\[0\] again$/],
  ['a ring', [], { ring }, /^kwargs\.ring\[1\] is circular: it is kwargs\.ring again$/],
  ['500 levels below args', [nested(500)], {}, /^args\[0\]\[?.*\.\.\. is nested deeper than 500 levels$/],
  ['100,000 levels', [nested(100_000)], {}, /is nested deeper than 500 levels$/],
  ['a getter that throws', [{ thrower }], {}, /^args\[0\]\.thrower\.secret cannot be read$/],
  ['a revoked proxy', [[revoked.proxy]], {}, /^args\[0\]\[0\] cannot be read$/],
  ['a proxy that throws', [], { trapped }, /^kwargs\.trapped cannot be read$/],
]

test.each(BAD_ARGS)('%s is refused with the path to it', (_, args, kwargs, message) => {
  expect(() => encodeArguments(args as [], kwargs as Record<string, unknown>)).toThrow(
    expect.objectContaining({
      name: 'PooledProducerError',
      code: 'ERR_INVALID_TASK',
      outcome: 'not-sent',
      retryable: false,
      message: expect.stringMatching(message),
    }),
  )
})

test('the error of a getter is the cause', () => {
  expect(() => encodeArguments([thrower], {})).toThrow(
    expect.objectContaining({ cause: expect.objectContaining({ message: 'no' }) }),
  )
})

test('a refusal shows no value', () => {
  const secret = 'hunter2'
  const refusals = [
    () => encodeArguments(secret as never, {}),
    () => encodeArguments([{ secret, bad: undefined }], {}),
    () => encodeArguments([], secret as never),
    () => encodeArguments([Symbol(secret)], {}),
  ]

  for (const refused of refusals) {
    expect(refused).toThrow(expect.objectContaining({ message: expect.not.stringContaining(secret) }))
  }
})

test('a getter that changes its answer ends in a named error, not in another exception', () => {
  let reads = 0
  const fickle = {
    get value(): number {
      reads += 1
      if (reads > 1) throw new Error('changed')
      return 1
    },
  }

  expect(() => encodeArguments([fickle], {})).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', message: 'the arguments cannot be written as JSON' }),
  )
})

test.each([
  [[], {}, '[[],{},'],
  [[2, 3], {}, '[[2,3],{},'],
  [[2], { z: 'é' }, '[[2],{"z":"é"},'],
  [[-0, 1e21, -1e300, 0.5, 2 ** 53 - 1], {}, '[[0,1e+21,-1e+300,0.5,9007199254740991],{},'],
  [['\ud83d'], {}, '[["\\ud83d"],{},'],
  [[null, true, [], {}], {}, '[[null,true,[],{}],{},'],
])('args %j and kwargs %j are the body %s', (args, kwargs, body) => {
  expect(encodeArguments(args, kwargs)).toBe(`${body}${EMPTY_EMBED}]`)
})

test('objects without a prototype, of another realm, behind a proxy or frozen are plain', () => {
  const bare = Object.assign(Object.create(null), { a: 1 })
  const foreign = runInNewContext('({ a: [1, { b: 2 }] })')
  const proxied = new Proxy({ a: [1] }, {})
  const hidden = Object.defineProperty({ a: 1 }, Symbol('tag'), { value: 1, enumerable: false })

  const body = encodeArguments([bare, foreign, proxied, Object.freeze([1]), hidden], runInNewContext('({ k: 1 })'))

  expect(JSON.parse(body).slice(0, 2)).toEqual([[{ a: 1 }, { a: [1, { b: 2 }] }, { a: [1] }, [1], { a: 1 }], { k: 1 }])
})

test('an object may stand in several places, as long as it does not hold itself', () => {
  const shared = { a: [1] }

  expect(JSON.parse(encodeArguments([shared, shared, [shared]], { shared }))[0]).toEqual([shared, shared, [shared]])
})

test('an own __proto__ key is sent as a key like any other', () => {
  const kwargs = JSON.parse('{"__proto__": {"isAdmin": true}}')

  expect(encodeArguments([], kwargs)).toBe(`[[],{"__proto__":{"isAdmin":true}},${EMPTY_EMBED}]`)
  expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
})

test('499 levels below args are sent', () => {
  expect(() => encodeArguments([nested(499)], {})).not.toThrow()
})

test('an embed has all four names in order, and its values are checked too', () => {
  const signature = { task: 'add', args: [4], kwargs: {}, options: {}, subtask_type: null, immutable: false }

  expect(encodeArguments([], {}, { chain: [signature] })).toBe(
    `[[],{},{"callbacks":null,"errbacks":null,"chain":[${JSON.stringify(signature)}],"chord":null}]`,
  )
  expect(() => encodeArguments([], {}, { chain: [{ ...signature, args: [undefined] }] })).toThrow(
    'chain[0].args[0] is undefined',
  )
})

/** Any JSON value but whole numbers that JSON writes with more digits than a double keeps. */
const exactJson = fc
  .jsonValue()
  .filter(
    (value) => !/(?<![\d.e+-])-?\d{16,}(?![\d.e])/.test(JSON.stringify(value).replaceAll(/"(?:[^"\\]|\\.)*"/g, '')),
  )

test('any exact JSON value arrives as it was given', () => {
  fc.assert(
    fc.property(fc.array(exactJson), fc.dictionary(fc.string(), exactJson), (args, kwargs) => {
      const [sentArgs, sentKwargs] = JSON.parse(encodeArguments(args, kwargs))
      // JSON has no negative zero.
      expect(sentArgs).toEqual(JSON.parse(JSON.stringify(args)))
      expect(sentArgs.length).toBe(args.length)
      expect(sentKwargs).toEqual(JSON.parse(JSON.stringify(kwargs)))
    }),
  )
})

test('anything else either arrives as it was given or is refused by name', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  })
  fc.assert(
    fc.property(anything, (value) => {
      let body: string
      try {
        body = encodeArguments([value], {})
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent' })
        return
      }
      expect(JSON.stringify(JSON.parse(body)[0][0])).toBe(JSON.stringify(value))
    }),
    { numRuns: 500 },
  )
})

celeryTest("Python's decoder takes arguments as deep as may be sent, in a stack as deep as a worker's", () => {
  const program = `
import json, sys
def below(frames, text):
    return below(frames - 1, text) if frames else json.loads(text)
text = sys.stdin.read()
json.dump(len(below(200, text)), sys.stdout)
`
  expect(runPython(program, encodeArguments([nested(499)], {}))).toBe(3)
})
