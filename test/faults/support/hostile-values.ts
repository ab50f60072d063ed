import fc from 'fast-check'

/** Given as a password wherever there is one. */
export const SECRET = 'hunted-s3cret'
/** Stands among the arguments of tasks, which no log shows. */
export const ARGUMENT = 'argument-of-a-task'

export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', '\0', 'a\r\nb', '\u001b[2J', '__proto__', 'constructor', 'é'.repeat(200), '%s%n', SECRET),
)
const anything = fc.anything({
  key: text,
  maxDepth: 3,
  maxKeys: 4,
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
})

/** A value that an option may have, and one that none has. */
export const plausible: fc.Arbitrary<unknown> = fc.oneof(text, fc.integer(), fc.double(), fc.boolean(), anything)

const HALF_PAIRS = ['\ud800', 'a\udfffb', { '\udc00': '\ud83d' }]
const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 })
const argument = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom<unknown>(...HALF_PAIRS, ARGUMENT, [ARGUMENT, 1n], { a: [ARGUMENT] }) },
  { weight: 9, arbitrary: json },
  { weight: 2, arbitrary: anything },
)

const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
const headers = fc
  .dictionary(
    text,
    fc.oneof(
      { weight: 4, arbitrary: fc.integer() },
      { weight: 8, arbitrary: json },
      { weight: 2, arbitrary: bytes },
      { weight: 1, arbitrary: anything },
      { weight: 1, arbitrary: fc.constantFrom<unknown>(...HALF_PAIRS, Number.NaN, Number.POSITIVE_INFINITY) },
    ),
    { maxKeys: 4 },
  )
  .map(readable)

/**
 * The same without whole numbers below -2^31: amqplib writes those with the tag `l`, 64 bits with a sign, as RabbitMQ
 * reads it; Python's amqp reads it without one. A task's headers are refused with such a number.
 */
function readable<T>(given: T): T {
  if (typeof given === 'number') return (Number.isInteger(given) && given < -(2 ** 31) ? -given : given) as T
  if (Array.isArray(given)) return given.map(readable) as T
  if (Object.prototype.toString.call(given) !== '[object Object]') return given
  return Object.fromEntries(Object.entries(given as object).map(([key, item]) => [key, readable(item)])) as T
}

const OPTION_NAMES = [
  ...['taskId', 'countdown', 'eta', 'priority', 'deliveryMode', 'mandatory', 'declare', 'timeLimit', 'softTimeLimit'],
  ...['shadow', 'ignoreResult', 'replyTo', 'correlationId', 'rootId', 'parentId', 'groupId', 'retries', 'groupIndex'],
  ...['argsrepr', 'kwargsrepr', 'appId', 'type', 'timestamp', 'signal', 'serializer', 'link', 'linkError', 'chain'],
  ...['chord', 'producer', 'headers', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'bogus'],
]

/** A task to send. */
export interface HostileTask {
  readonly name: string
  readonly args: unknown[]
  readonly kwargs: Record<string, unknown>
  readonly options: Record<string, unknown>
}

export const hostileTask: fc.Arbitrary<HostileTask> = fc.record({
  name: fc.oneof({ weight: 3, arbitrary: fc.stringMatching(/^[\w.]{1,30}$/) }, { weight: 1, arbitrary: text }),
  args: fc.array(argument, { maxLength: 2 }),
  kwargs: fc.dictionary(text, argument, { maxKeys: 2 }),
  options: fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 2, arbitrary: fc.record({ headers }) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...OPTION_NAMES), plausible, { maxKeys: 2 }) },
  ),
})

function mostly(likely: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 19, arbitrary: likely }, { weight: 1, arbitrary: plausible })
}

/** A message to publish. */
export interface HostileMessage {
  readonly properties: { readonly headers?: Record<string, unknown>; readonly correlationId?: string }
  readonly body: string | Uint8Array
}

export const hostileMessage: fc.Arbitrary<HostileMessage> = fc.record({
  properties: fc.record(
    {
      headers,
      contentType: text,
      contentEncoding: text,
      deliveryMode: mostly(fc.constantFrom(1, 2)),
      priority: mostly(fc.nat(255)),
      correlationId: text,
      replyTo: text,
      timestamp: mostly(fc.maxSafeNat()),
      appId: text,
    },
    { requiredKeys: [] },
  ),
  body: fc.oneof(text, fc.uint8Array({ maxLength: 50 })),
})
