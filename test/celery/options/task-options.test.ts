import { expect, test } from '@jest/globals'
import { DEFAULT_TASK_OPTIONS, type TaskOptions } from '../../../lib/celery/options/task-option-values.ts'
import { taskName, taskOptions } from '../../../lib/celery/options/task-options.ts'

const LONG = 'x'.repeat(256)
const WIDE = 'é'.repeat(128)

const BAD: readonly (readonly [options: unknown, message: RegExp])[] = [
  [5, /^the options of a task must be an object, got 5$/],
  [[], /^the options of a task must be an object, got an array of 0$/],
  [new Map([['queue', 'q']]), /^the options of a task must be an object, got an instance of Map$/],
  [null, /^the options of a task must be an object, got null$/],

  [{ time_limit: 5 }, /^time_limit is not an option of a task; did you mean timeLimit\?$/],
  [{ task_id: 'x' }, /^task_id is not an option of a task; did you mean taskId\?$/],
  [{ soft_time_limit: 5 }, /did you mean softTimeLimit\?$/],
  [{ 'routing-key': 'x' }, /did you mean routingKey\?$/],
  [{ countDown: 5 }, /did you mean countdown\?$/],
  [{ expire: 5 }, /did you mean expires\?$/],
  [{ prioriy: 5 }, /did you mean priority\?$/],
  [{ args_repr: '()' }, /did you mean argsrepr\?$/],
  [{ foo: 1 }, /^foo is not an option of a task; known are taskId, countdown, eta, .*producer$/],
  [{ [LONG]: 1 }, /is not an option of a task; known are/],
  [{ constructor: 1 }, /^constructor is not an option of a task/],
  [JSON.parse('{"__proto__": {"queue": "q"}}'), /^__proto__ is not an option of a task/],
  [{ unknown: undefined }, /^unknown is not an option of a task/],

  [{ taskId: 42 }, /^taskId must be a string of 255 bytes at most, got 42$/],
  [{ taskId: '' }, /^taskId must be a string that is not empty, got ""$/],
  [{ taskId: LONG }, /^taskId must be a string of 255 bytes at most, got "x{60}\.\.\."$/],
  [{ taskId: WIDE }, /^taskId must be a string of 255 bytes at most/],
  [{ taskId: 'a\nb' }, /^taskId must be a string without control characters, got "a\\nb"$/],
  [{ correlationId: 'a\u0000' }, /^correlationId must be a string without control characters/],
  [{ rootId: '' }, /^rootId must be a string that is not empty/],
  [{ parentId: 7 }, /^parentId must be a string/],
  [{ groupId: {} }, /^groupId must be a string of 255 bytes at most, got an object$/],
  [{ replyTo: true }, /^replyTo must be a string of 255 bytes at most, got true$/],
  [{ queue: '' }, /^queue must be a string that is not empty/],
  [{ queue: LONG }, /^queue must be a string of 255 bytes at most/],
  [{ queue: ['q'] }, /^queue must be a string of 255 bytes at most, got an array of 1$/],
  [{ queue: {} }, /^queue\.name must be a name that is not empty, got undefined$/],
  [{ queue: { name: 'a\ud800' } }, /^queue\.name must be a string of 255 bytes at most without control characters/],
  [{ queue: { name: LONG } }, /^queue\.name must be a string of 255 bytes at most without control characters, got "x/],
  [{ queue: { name: 'q', max_priority: 5 } }, /^queue\.max_priority is not known; did you mean maxPriority\?$/],
  [{ queue: { name: 'q', maxPriority: 256 } }, /^queue\.maxPriority must be an integer from 1 to 255, got 256$/],
  [{ queue: { name: 'q', exclusive: true } }, /^queue\.exclusive is not known; known are name, exchange/],
  [{ exchangeType: '' }, /^exchangeType must be a string that is not empty/],
  [{ exchange: 1 }, /^exchange must be a string/],
  [{ routingKey: LONG }, /^routingKey must be a string of 255 bytes at most/],
  [{ messageId: 1 }, /^messageId must be a string/],
  [{ appId: LONG }, /^appId must be a string of 255 bytes at most/],
  [{ type: Symbol('t') }, /^type must be a string of 255 bytes at most, got a symbol$/],
  [{ userId: [] }, /^userId must be a string/],

  [{ countdown: '10' }, /^countdown must be a number of seconds from -2147483648 to 2147483648, got "10"$/],
  [{ countdown: Number.NaN }, /^countdown must be a number of seconds .*, got NaN$/],
  [{ countdown: Number.POSITIVE_INFINITY }, /^countdown must be .*, got Infinity$/],
  [{ countdown: 2 ** 31 + 1 }, /^countdown must be a number of seconds/],
  [{ countdown: 10n }, /^countdown must be .*, got 10n$/],
  [{ countdown: 1, eta: new Date(0) }, /^countdown and eta cannot both be given$/],
  [{ countdown: -1, eta: '2026-01-01T00:00:00Z' }, /^countdown and eta cannot both be given$/],

  [{ eta: 5 }, /^eta must be a Date or an ISO 8601 string with a zone, got 5$/],
  [{ eta: new Date('x') }, /^eta must be a valid Date of the years 1 to 9999, got an invalid Date$/],
  [{ eta: new Date(8.64e15) }, /^eta must be a valid Date .*, got \+275760-09-13T00:00:00\.000Z$/],
  [{ eta: '2030-01-01T00:00:00' }, /^eta must be a time with its zone, .*\(a worker would take it for UTC\), got/],
  [{ eta: '2030-01-01' }, /^eta must be a time with its zone/],
  [{ eta: 'tomorrow' }, /^eta must be an ISO 8601 string such as 2026-11-22T05:02:44\+00:00, got "tomorrow"$/],
  [{ eta: '' }, /^eta must be an ISO 8601 string/],
  [{ eta: '2026-02-30T00:00:00Z' }, /^eta must be an ISO 8601 string/],
  [{ eta: '2026-01-01T25:00:00Z' }, /^eta must be an ISO 8601 string/],
  [{ eta: '2026-01-01T00:00:00+25:00' }, /^eta must be an ISO 8601 string/],

  [{ expires: '60' }, /^expires must be an ISO 8601 string such as .*, got "60"$/],
  [{ expires: Number.NaN }, /^expires must be a number of seconds .*, got NaN$/],
  [{ expires: Date.UTC(2030, 1) }, /^expires must be a number of seconds from/],
  [{ expires: '2030-01-01T00:00:00' }, /^expires must be a time with its zone/],
  [{ expires: { seconds: 5 } }, /^expires must be a number of seconds, a Date or an ISO 8601 string with a zone, got/],
  [{ expires: new Date(Number.NaN) }, /^expires must be a valid Date/],

  [{ priority: 256 }, /^priority must be an integer from 0 to 255, got 256$/],
  [{ priority: -1 }, /^priority must be an integer from 0 to 255, got -1$/],
  [{ priority: 1.5 }, /^priority must be an integer/],
  [{ priority: '3' }, /^priority must be an integer from 0 to 255, got "3"$/],
  [{ deliveryMode: 7 }, /^deliveryMode must be 'transient', 'persistent', 1 or 2, got 7$/],
  [{ deliveryMode: 'durable' }, /^deliveryMode must be .*, got "durable"$/],
  [{ mandatory: 1 }, /^mandatory must be true or false, got 1$/],
  [{ declare: [] }, /^declare must be true or false, got an array of 0$/],
  [{ ignoreResult: 'yes' }, /^ignoreResult must be true or false, got "yes"$/],

  [{ timeLimit: 0 }, /^timeLimit must be a number of seconds above 0 and up to 2147483648, got 0$/],
  [{ timeLimit: -1 }, /^timeLimit must be a number of seconds above 0/],
  [{ softTimeLimit: '5' }, /^softTimeLimit must be a number of seconds above 0/],
  [{ timeLimit: Number.POSITIVE_INFINITY }, /^timeLimit must be a number of seconds above 0/],
  [{ timeLimit: 5, softTimeLimit: 10 }, /^softTimeLimit \(10\) must not be above timeLimit \(5\)$/],
  [{ shadow: 1 }, /^shadow must be a string, got 1$/],
  [{ argsrepr: ['x'] }, /^argsrepr must be a string, got an array of 1$/],
  [{ kwargsrepr: {} }, /^kwargsrepr must be a string, got an object$/],
  [{ groupIndex: -1 }, /^groupIndex must be an integer from 0 to 2147483647, got -1$/],
  [{ retries: 0.5 }, /^retries must be an integer from 0/],
  [{ timestamp: -1 }, /^timestamp must be a Date or whole seconds since 1970, got -1$/],
  [{ timestamp: 1.5 }, /^timestamp must be a Date or whole seconds/],
  [{ timestamp: new Date('x') }, /^timestamp must be .*, got an invalid Date$/],
  [{ timestamp: '2026' }, /^timestamp must be a Date or whole seconds/],
  [{ timeoutMs: 0 }, /^timeoutMs must be an integer from 1 to 2147483647, got 0$/],
  [{ timeoutMs: Number.POSITIVE_INFINITY }, /^timeoutMs must be an integer from 1/],
  [{ signal: true }, /^signal must be an AbortSignal, got true$/],
  [{ signal: new AbortController() }, /^signal must be an AbortSignal, got an instance of AbortController$/],
  [{ producer: {} }, /^producer must be a producer that pool\.acquire\(\) gave, got an object$/],
  [{ producer: 'lease' }, /^producer must be a producer/],

  [{ retry: 1 }, /^retry must be true or false, got 1$/],
  [{ retryPolicy: 3 }, /^retryPolicy must be a plain object, got 3$/],
  [{ retryPolicy: { max_retries: 3 } }, /^retryPolicy\.max_retries is not known; did you mean maxRetries\?$/],
  [{ retryPolicy: { jitter: 1 } }, /^retryPolicy\.jitter is not known; known are maxRetries, intervalStart/],
  [
    { retryPolicy: { maxRetries: -1 } },
    /^retryPolicy\.maxRetries must be an integer from 0 to 1000000 or null, got -1$/,
  ],
  [{ retryPolicy: { intervalStart: '1' } }, /^retryPolicy\.intervalStart must be a number of seconds from 0 to 3600/],
  [{ retryPolicy: { intervalMax: Number.NaN } }, /^retryPolicy\.intervalMax must be .*, got NaN$/],
  [{ serializer: '' }, /^serializer must be a string that is not empty/],
  [{ compression: 7 }, /^compression must be a string of 255 bytes at most, got 7$/],
  [{ stamps: [] }, /^stamps must be a plain object, got an array of 0$/],
  [{ stamps: { a: new Date(0) } }, /^stamps\.a must be a string, a number, .*, got an instance of Date$/],
  [{ stampedHeaders: 'a' }, /^stampedHeaders must be an array of names, got "a"$/],
  [{ stampedHeaders: [7] }, /^stampedHeaders\[0\] must be a string/],
  [{ stampedHeaders: ['a'] }, /^stampedHeaders names "a", which stamps does not hold$/],
  [{ replacedTaskNesting: -1 }, /^replacedTaskNesting must be an integer from 0/],

  [{ headers: [] }, /^headers must be a plain object, got an array of 0$/],
  [{ headers: new Map() }, /^headers must be a plain object, got an instance of Map$/],
  [{ headers: { task: 'evil' } }, /^headers\.task is one of Celery's own headers and cannot be set$/],
  [{ headers: { compression: 'gzip' } }, /^headers\.compression is one of Celery's own headers/],
]

test.each(BAD.map(([options, message]) => [message, options] as const))('an error says %s', (message, options) => {
  expect(() => taskOptions(options as TaskOptions)).toThrow(
    expect.objectContaining({
      name: 'PooledProducerError',
      code: 'ERR_INVALID_TASK',
      outcome: 'not-sent',
      retryable: false,
      message: expect.stringMatching(message),
    }),
  )
})

test('every option passes its check, and comes back frozen and in one spelling', () => {
  const { signal } = new AbortController()
  const producer = { publish: async () => undefined, send: async () => undefined }

  const checked = taskOptions({
    taskId: 'order-42',
    eta: new Date('2026-11-22T05:02:44.872Z'),
    expires: '2026-11-22T07:02:44.5+01:00',
    queue: 'math',
    exchange: '',
    routingKey: '',
    priority: 255,
    headers: { tenant: 'acme', trace: { ids: [1, null, true] } },
    deliveryMode: 'transient',
    mandatory: false,
    declare: false,
    timeLimit: 30,
    softTimeLimit: 29.5,
    shadow: 'sum',
    ignoreResult: true,
    replyTo: 'replies',
    correlationId: 'c',
    rootId: 'r',
    parentId: 'p',
    groupId: 'g',
    groupIndex: 0,
    retries: 3,
    argsrepr: '(***)',
    kwargsrepr: '{}',
    messageId: '',
    appId: 'shop',
    type: 'task',
    userId: 'guest',
    timestamp: new Date(1_795_323_764_999),
    timeoutMs: 500,
    signal,
    producer,
  })

  expect(checked).toMatchObject({
    eta: '2026-11-22T05:02:44.872000+00:00',
    expires: '2026-11-22T06:02:44.500000+00:00',
    deliveryMode: 1,
    timestamp: 1_795_323_764,
    headers: { tenant: 'acme', trace: { ids: [1, null, true] } },
  })
  expect(checked.signal).toBe(signal)
  expect(checked.producer).toBe(producer)
  expect(Object.isFrozen(checked)).toBe(true)
  expect(Object.isFrozen(checked.headers)).toBe(true)
  expect(taskOptions(checked)).toEqual(checked)
})

test.each([
  [{ countdown: 0 }],
  [{ countdown: -3.5 }],
  [{ expires: 0 }],
  [{ expires: -5 }],
  [{ deliveryMode: 2 }],
  [{ taskId: 'x'.repeat(255) }],
  [{ queue: 'очередь' }],
] as const)('%j is kept as it is', (options) => {
  expect(taskOptions(options)).toEqual({ ...DEFAULT_TASK_OPTIONS, ...options })
})

test('a countdown of 0 beside an eta is none', () => {
  const eta = '2026-01-01T00:00:00+00:00'

  expect(taskOptions({ countdown: 0, eta })).toEqual({ ...DEFAULT_TASK_OPTIONS, eta })
  expect(taskOptions({ countdown: 0 }, taskOptions({ eta }))).toEqual({ ...DEFAULT_TASK_OPTIONS, countdown: 0 })
})

test('a call without options has those of its task, the same object', () => {
  const defaults = taskOptions({ queue: 'math' })

  expect(taskOptions({}, defaults)).toBe(defaults)
  expect(taskOptions(undefined, defaults)).toBe(defaults)
  expect(taskOptions({ queue: undefined }, defaults)).toBe(defaults)
  expect(taskOptions()).toEqual({ mandatory: true, declare: true })
})

test("a call's options are laid over those of its task, which stay as they are", () => {
  const defaults = taskOptions({ queue: 'math', priority: 3, expires: 60, mandatory: false })

  expect(taskOptions({ priority: 9 }, defaults)).toEqual({ ...defaults, priority: 9 })
  expect(defaults.priority).toBe(3)
})

test("null takes a task's option away", () => {
  const defaults = taskOptions({ queue: 'math', expires: 60, mandatory: false, headers: { a: 1 } })

  expect(taskOptions({ expires: null, mandatory: null, headers: null }, defaults)).toEqual({
    queue: 'math',
    mandatory: true,
    declare: true,
  })
})

test("a call's eta takes the place of its task's countdown, and the other way round", () => {
  const eta = '2030-01-01T00:00:00+00:00'

  expect(taskOptions({ eta }, taskOptions({ countdown: 5 }))).toEqual({ ...DEFAULT_TASK_OPTIONS, eta })
  expect(taskOptions({ countdown: 5 }, taskOptions({ eta }))).toEqual({ ...DEFAULT_TASK_OPTIONS, countdown: 5 })
})

test("a call's hard limit below its task's soft limit is refused", () => {
  expect(() => taskOptions({ timeLimit: 5 }, taskOptions({ softTimeLimit: 10, timeLimit: 20 }))).toThrow(
    'softTimeLimit (10) must not be above timeLimit (5)',
  )
})

test('the headers of a task and of a call are merged by name', () => {
  const defaults = taskOptions({ headers: { tenant: 'acme', level: 1 } })

  expect(taskOptions({ headers: { level: 2 } }, defaults).headers).toEqual({ tenant: 'acme', level: 2 })
})

test('a Date or headers that change later change nothing', () => {
  const eta = new Date('2030-01-01T00:00:00Z')
  const headers = { trace: { id: 'a' } }
  const checked = taskOptions({ eta, headers })

  eta.setFullYear(1999)
  headers.trace.id = 'b'

  expect(checked).toMatchObject({ eta: '2030-01-01T00:00:00+00:00', headers: { trace: { id: 'a' } } })
})

test.each(['tasks.add', 'a', 'größe.füllen', 'with space inside', 'x'.repeat(255)])('%s can name a task', (name) => {
  expect(taskName(name)).toBe(name)
})

test.each([
  [undefined, /^the name of a task must be a string of 255 bytes at most, got undefined$/],
  ['', /^the name of a task must be a string that is not empty/],
  [LONG, /^the name of a task must be a string of 255 bytes at most/],
  [WIDE, /^the name of a task must be a string of 255 bytes at most/],
  ['tasks.add\n', /^the name of a task must be a string without control characters/],
  ['tasks\u0000add', /^the name of a task must be a string without control characters/],
  ['\u001b[31mtasks', /^the name of a task must be a string without control characters/],
  [' tasks.add', /^the name of a task must have no whitespace at its ends, got " tasks\.add"$/],
  ['tasks.add\u00a0', /^the name of a task must have no whitespace at its ends/],
])('%j cannot name a task', (name, message) => {
  expect(() => taskName(name)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', outcome: 'not-sent', message: expect.stringMatching(message) }),
  )
})

test('stamps are listed by their names, or by those that stampedHeaders keeps', () => {
  expect(taskOptions({ stamps: { a: 1, b: 2 } })).toMatchObject({ stampedHeaders: ['a', 'b'], stamps: { a: 1, b: 2 } })
  expect(taskOptions({ stamps: { a: 1, b: 2 }, stampedHeaders: ['b'] })).toMatchObject({
    stampedHeaders: ['b'],
    stamps: { b: 2 },
  })
})

test("a call's stamps take the place of its task's, and null takes them away", () => {
  const task = taskOptions({ stamps: { a: 1 } })

  expect(taskOptions({ stamps: { b: 2 } }, task)).toMatchObject({ stampedHeaders: ['b'], stamps: { b: 2 } })
  expect(taskOptions({ stamps: null }, task)).toEqual(DEFAULT_TASK_OPTIONS)
  expect(taskOptions({ stampedHeaders: [] }, task)).toMatchObject({ stampedHeaders: [], stamps: {} })
})

test("a call's retry policy is laid over its task's, entry by entry", () => {
  const task = taskOptions({ retryPolicy: { maxRetries: 5, intervalMax: 2 } })

  expect(taskOptions({ retryPolicy: { maxRetries: null } }, task).retryPolicy).toEqual({
    maxRetries: null,
    intervalMax: 2,
  })
})
