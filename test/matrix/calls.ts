/**
 * A call as both sides read it: this package in `our-sender.ts`, the real Celery in `matrix_sender.py`. Options have
 * Celery's names in camelCase; `{ $date }` is a date. {@link TAG} and {@link QUEUE} stand for texts that each run makes.
 */
export interface Call {
  readonly title: string
  readonly task?: string
  readonly canvas?: Canvas
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  readonly options?: Options
}

type Options = Readonly<Record<string, unknown>>

/** A call of a task to be made later. */
export interface Task {
  readonly task: string
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** Those named `link` and `linkError` hold lists of workflows. */
  readonly options?: Options
  readonly immutable?: boolean
}

/** A workflow by its parts. */
export type Canvas = { readonly options?: Options } & (
  | Task
  | { readonly chain: readonly Canvas[] }
  | { readonly group: readonly Canvas[] }
  | { readonly chord: readonly Canvas[]; readonly body: Canvas }
  | { readonly map: Canvas; readonly it: readonly unknown[] }
  | { readonly starmap: Canvas; readonly it: readonly unknown[] }
  | { readonly chunks: Canvas; readonly it: readonly unknown[]; readonly size: number }
)

/** Stands in a call for the text by which its tasks are known, of one length on both sides. */
export const TAG = '$tag'
/** Stands in a call for the worker's queue. */
export const QUEUE = '$queue'

export type Side = 'ours' | 'celery'

/** The call of one side: each text of it that stands for something is filled in. */
export function filledIn(call: Call, tag: string, queue: string): Call {
  const text = JSON.stringify(call).replaceAll(`"${TAG}"`, `"${tag}"`).replaceAll(`"${QUEUE}"`, `"${queue}"`)
  return JSON.parse(text)
}

const kwargs = { tag: TAG }
const plain = (title: string, options: Options = {}, args: readonly unknown[] = [1, 2]): Call => {
  return { title, task: 'matrix.sum', args, kwargs, options }
}

const SOON = { $date: '2020-02-29T12:30:15.250Z' }
const LATE = { $date: new Date(Date.now() + 7_200_000).toISOString() }

/** Every option of a call. */
export const OPTION_CALLS: readonly Call[] = [
  plain('no option'),
  plain('no positional argument', {}, []),
  { title: 'keyword arguments', task: 'matrix.sum', kwargs: { tag: TAG, z: 1, text: "it's", list: [null, true, 0.5] } },
  plain('unicode and nested data', {}, ['é 漢字 🎉', { a: { b: { c: [[[1]]] } } }, [], {}]),
  plain('a long argument', {}, ['word '.repeat(600), Array.from({ length: 400 }, (_, index) => index)]),
  plain('taskId', { taskId: `${TAG}` }),
  plain('countdown', { countdown: 0.5 }),
  plain('countdown of nothing', { countdown: 0 }),
  plain('countdown in the past', { countdown: -5 }),
  plain('eta', { eta: SOON }),
  plain('eta as a string', { eta: '2020-02-29T12:30:15.250000+00:00' }),
  plain('expires in seconds', { expires: 600 }),
  plain('expires at a date', { expires: LATE }),
  plain('queue', { queue: QUEUE }),
  plain('exchange and routingKey', { exchange: 'amq.direct', routingKey: QUEUE }),
  plain('priority', { priority: 7 }),
  plain('priority of nothing', { priority: 0 }),
  plain('headers', { headers: { tenant: 'acme', depth: { list: [1, 'two', null, true] }, ratio: 0.25 } }),
  plain('deliveryMode transient', { deliveryMode: 'transient' }),
  plain('deliveryMode persistent', { deliveryMode: 2 }),
  plain('timeLimit', { timeLimit: 60 }),
  plain('softTimeLimit', { softTimeLimit: 50 }),
  plain('timeLimit and softTimeLimit', { timeLimit: 60, softTimeLimit: 50.5 }),
  plain('shadow', { shadow: 'another name' }),
  // Celery names its queue for replies all the same; here there is none without a result.
  plain('ignoreResult', { ignoreResult: true, replyTo: 'nobody' }),
  plain('ignoreResult false', { ignoreResult: false }),
  plain('replyTo', { replyTo: 'somewhere' }),
  plain('correlationId', { correlationId: 'order-42' }),
  plain('rootId and parentId', { rootId: 'first', parentId: 'before' }),
  plain('groupId and groupIndex', { groupId: 'of-mine', groupIndex: 3 }),
  plain('retries', { retries: 2 }),
  plain('argsrepr and kwargsrepr', { argsrepr: '(***)', kwargsrepr: '{***}' }),
  plain('messageId, appId and type', { messageId: 'm-1', appId: 'shop', type: 'task' }),
  plain('timestamp', { timestamp: 1_700_000_000 }),
  plain('mandatory', { mandatory: true }),
  plain('compression gzip', { compression: 'gzip' }),
  plain('compression zlib', { compression: 'zlib' }),
  plain('serializer yaml', { serializer: 'yaml' }, [1, 'zwei', { deep: [null, true] }]),
  plain('serializer msgpack', { serializer: 'msgpack' }, [1, 'zwei', { deep: [null, true] }]),
  plain('serializer yaml, compressed', { serializer: 'yaml', compression: 'zlib' }),
]

const sum = (...args: readonly unknown[]): Task => ({ task: 'matrix.sum', args, kwargs, options: { queue: QUEUE } })
const fail: Task = { task: 'matrix.fail', kwargs, options: { queue: QUEUE } }
const bare: Task = { task: 'matrix.sum', options: { queue: QUEUE } }
const withId: Task = { task: 'matrix.called_with_id', kwargs, options: { queue: QUEUE } }
const inline: Task = { task: 'matrix.called_inline', kwargs, options: { queue: QUEUE } }
const withOptions = (part: Task, options: Options): Task => ({ ...part, options: { ...part.options, ...options } })
const canvas = (title: string, form: Canvas, call: Omit<Call, 'title'> = {}): Call => ({ title, canvas: form, ...call })

/** Every form of a workflow that needs no result backend. */
export const CANVAS_CALLS: readonly Call[] = [
  canvas('a signature', sum(1, 2)),
  canvas(
    'a signature with options',
    withOptions(sum(1, 2), { priority: 4, shadow: 'named', headers: { tenant: 'acme' } }),
  ),
  canvas('a signature with partial arguments', sum(2), { args: [1], kwargs: { more: true }, options: { priority: 3 } }),
  canvas('an immutable signature', { ...sum(2), immutable: true }, { args: [1], kwargs: { more: true } }),
  canvas('a signature with a countdown', withOptions(sum(1), { countdown: 0.3 })),
  canvas('a link', withOptions(sum(1, 2), { link: [sum(10)] })),
  canvas('several links', withOptions(sum(1, 2), { link: [sum(10), { ...sum(20), immutable: true }] })),
  canvas('a link that is a chain', withOptions(sum(1), { link: [{ chain: [sum(2), sum(3)] }] })),
  canvas('a link of a task that fails', withOptions(fail, { link: [sum(10)] })),
  canvas('an errback that takes the id', withOptions(fail, { linkError: [withId] })),
  canvas('an errback that is called inline', withOptions(fail, { linkError: [inline] })),
  canvas('an errback of a task that succeeds', withOptions(sum(1), { linkError: [withId] })),
  { title: 'the option link', task: 'matrix.sum', args: [1], kwargs, options: { link: [sum(2)] } },
  { title: 'the option linkError', task: 'matrix.fail', kwargs, options: { linkError: [withId] } },
  canvas('a chain', { chain: [sum(2, 2), sum(4), sum(8)] }),
  canvas('a chain of one', { chain: [sum(2, 2)] }),
  canvas('a chain with an immutable step', { chain: [sum(1), { ...sum(5), immutable: true }, sum(3)] }),
  canvas('a chain with options of its steps', {
    chain: [withOptions(sum(1), { priority: 2 }), withOptions(sum(2), { priority: 3, timeLimit: 60 })],
  }),
  canvas('a chain with an id', { chain: [sum(1), sum(2)] }, { options: { taskId: TAG } }),
  canvas('a chain with options', { chain: [sum(1), sum(2)] }, { options: { priority: 6, countdown: 0.3 } }),
  canvas('a chain with partial arguments', { chain: [sum(1), sum(2)] }, { args: [10, 20], kwargs: { more: true } }),
  canvas(
    'a chain with a link and an errback',
    { chain: [sum(1), sum(2)] },
    { options: { link: [sum(5)], linkError: [withId] } },
  ),
  canvas('a chain that fails in the middle', { chain: [sum(1), fail, sum(2)] }, { options: { linkError: [withId] } }),
  canvas(
    'a chain whose steps have links and errbacks, with more of both',
    { chain: [withOptions(sum(1), { linkError: [withId] }), withOptions(fail, { linkError: [withId] }), sum(2)] },
    { options: { link: [sum(5)], linkError: [withId, { ...withId, immutable: true, args: [7] }] } },
  ),
  canvas('a chain in a chain', { chain: [sum(1), { chain: [sum(2), sum(3)] }, sum(4)] }),
  canvas('a group', { group: [sum(1, 1), sum(2, 2), sum(3, 3)] }),
  canvas('a group of one', { group: [sum(1, 1)] }),
  canvas('a group with an id and options', { group: [sum(1), sum(2)] }, { options: { taskId: TAG, priority: 5 } }),
  canvas(
    'a group with partial arguments',
    { group: [sum(1), { ...sum(2), immutable: true }] },
    { args: [7], kwargs: { more: 1 } },
  ),
  canvas('a group in a group', { group: [sum(1), { group: [sum(2), sum(3)] }] }),
  canvas('a chain in a group', { group: [{ chain: [sum(1), sum(2)] }, sum(3)] }),
  canvas('a group with a member that fails', { group: [sum(1), withOptions(fail, { linkError: [withId] })] }),
  canvas('a group at the end of a chain', { chain: [sum(1), { group: [sum(2), sum(3)] }] }),
  canvas('a group of a chain that ends in a group', {
    group: [{ chain: [sum(1), { group: [sum(2), sum(3)] }] }, sum(4)],
  }),
  // The tag stands among the items, as the task of a map is called with nothing else.
  canvas('a map', { map: bare, it: [1, [2, 3], TAG] }),
  canvas('a starmap', {
    starmap: bare,
    it: [
      [1, 2],
      [3, TAG],
    ],
  }),
  canvas('a map in a chain', { chain: [sum(1), { map: bare, it: [1, 2], options: { queue: QUEUE } }] }),
  canvas('chunks', {
    chunks: bare,
    it: [
      [1, TAG],
      [3, TAG],
      [5, TAG],
    ],
    size: 2,
  }),
]

/** A task of a chord; Celery names its queue for replies all the same, where Redis keeps the results. */
const part = (...args: readonly unknown[]): Task => withOptions(sum(...args), { replyTo: 'nobody' })
const failing: Task = withOptions(fail, { replyTo: 'nobody' })
const errback: Task = withOptions(withId, { replyTo: 'nobody' })

/** Every form of a chord that a producer starts with a backend that counts. */
export const CHORD_CALLS: readonly Call[] = [
  canvas('a chord', { chord: [part(1), part(2), part(3)], body: part(10) }),
  canvas('a chord of one', { chord: [part(1)], body: part(10) }),
  canvas('a chord of nothing', { chord: [], body: part(10) }),
  canvas('a chord with an id', { chord: [part(1), part(2)], body: part(10) }, { options: { taskId: TAG } }),
  canvas('a chord with partial arguments', { chord: [part(1), part(2)], body: part(10) }, { args: [7] }),
  canvas('a chord with a countdown', { chord: [part(1), part(2)], body: part(10) }, { options: { countdown: 0.3 } }),
  canvas('a chord of chains', { chord: [{ chain: [part(1), part(2)] }, { chain: [part(3), part(4)] }], body: part() }),
  // Of two in it: Celery 5.2.6 turns them round.
  canvas('a chord of groups', { chord: [part(1), { group: [part(2)] }], body: part(10) }),
  canvas('a chord in a chord', { chord: [{ chord: [part(1), part(2)], body: part(3) }, part(4)], body: part(10) }),
  canvas('a chord in a chord, last', {
    chord: [part(1), { chord: [part(2), part(3)], body: part(4) }],
    body: part(10),
  }),
  canvas('a chord with a chain for a body', { chord: [part(1), part(2)], body: { chain: [part(10), part(20)] } }),
  canvas('a chord with a group for a body', { chord: [part(1), part(2)], body: { group: [part(10), part(20)] } }),
  canvas('a group with something after it', { chain: [{ group: [part(1), part(2)] }, part(10), part(20)] }),
  canvas('a chord in the middle of a chain', { chain: [part(1), { group: [part(2), part(3)] }, part(10)] }),
  canvas('a chord with a link', { chord: [part(1), part(2)], body: withOptions(part(10), { link: [part(20)] }) }),
  canvas('a chord that fails', { chord: [part(1), failing], body: withOptions(part(10), { linkError: [errback] }) }),
]

/** A worker of Celery 5.2.6 that runs one task at a time waits for ever as it joins this one's results, whoever sent it. */
export const NESTED_CHORD: Call = canvas('a chord with a chain that ends in a group', {
  chord: [{ chain: [part(1), { group: [part(2), part(3)] }] }, part(4)],
  body: part(10),
})
