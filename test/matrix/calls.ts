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

/** A workflow by its parts. */
export type Canvas = { readonly options?: Options } & (
  | {
      readonly task: string
      readonly args?: readonly unknown[]
      readonly kwargs?: object
      readonly immutable?: boolean
    }
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
  plain('ignoreResult', { ignoreResult: true }),
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
]
