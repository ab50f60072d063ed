import type { Side } from './calls.ts'

/** What the worker wrote down as it started a task. */
export interface TaskRecord {
  readonly kind: 'task' | 'errback' | 'end'
  readonly task: string
  /** Seconds since 1970. */
  readonly at: number
  readonly request: Readonly<Record<string, unknown>>
}

/** All records of one call of one side, with what two sides cannot have in common taken out. */
export interface NormalForm {
  readonly records: readonly { readonly task: string; readonly request: unknown }[]
  /** The times that hang on the moment of the call, as seconds from it, in the order of their places. */
  readonly times: readonly number[]
}

/**
 * Celery 5.3 and later send these, 5.2.6 does not; a worker of 5.2.6 shows whatever headers there are. They have to be
 * there, and empty.
 */
const SENT_BY_NEWER: Readonly<Record<string, unknown>> = { replaced_task_nesting: 0, stamped_headers: null, stamps: {} }
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const ISO_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?$/
const ORIGIN = /^gen\d+@/
/** A time nearer to the call than this is one that the call's own time decides. */
const NEAR_SECONDS = 3_600

/**
 * The records in a form that can be compared: each id is named by the place where it stands first, so that what is equal
 * in one form must be equal in the other. Tasks that nothing puts in an order, such as those of a group, are run as they
 * came in, over one connection or another: here they stand in the order of their arguments.
 *
 * @param sentAt when the call was made, in seconds since 1970.
 */
export function normalForm(records: readonly TaskRecord[], side: Side, tag: string, sentAt: number): NormalForm {
  const names = new Map<string, string>()
  const times: number[] = []

  const text = (value: string): string => {
    if (ORIGIN.test(value)) return '<origin>'
    if (ISO_TIME.test(value)) {
      const seconds = Date.parse(/[Z+]/.test(value.slice(10)) ? value : `${value}Z`) / 1_000 - sentAt
      if (Math.abs(seconds) > NEAR_SECONDS) return value
      times.push(seconds)
      return '<time>'
    }
    // In what a log shows of a map, the arguments of its task are a tuple to Python and an array to us.
    const shown = value.replaceAll("'args': ()", "'args': []")
    return shown.replaceAll(tag, '<tag>').replace(ID, (id) => {
      const name = names.get(id) ?? `<id ${names.size + 1}>`
      names.set(id, name)
      return name
    })
  }
  const visit = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(visit)
    const table = value as Record<string, unknown>
    return Object.fromEntries(
      Object.keys(table)
        .sort()
        .map((key) => [text(key), key === 'expiration' ? lifetime(table[key], times) : visit(table[key])]),
    )
  }
  return {
    records: inOrder(records).map(({ task, request }) => ({
      task,
      request: visit(side === 'ours' ? withoutNewer(request) : request),
    })),
    times,
  }
}

function inOrder(records: readonly TaskRecord[]): TaskRecord[] {
  const key = ({ task, request }: TaskRecord) => JSON.stringify([task, request.args, request.kwargs]).replace(ID, '')
  const keyed = records.map((record) => ({ record, key: key(record) }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ record }) => record)
}

/** Milliseconds to live: with an `expires` at a date another number at each moment. */
function lifetime(value: unknown, times: number[]): string {
  times.push(Number(value) / 1_000)
  return '<lifetime>'
}

/** The request without the headers of a newer Celery; one that is not empty stays, and will be seen as a difference. */
function withoutNewer(request: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isEmpty = (name: string, value: unknown) => JSON.stringify(value) === JSON.stringify(SENT_BY_NEWER[name])
  const strip = (table: object) =>
    Object.fromEntries(Object.entries(table).filter(([name, value]) => !isEmpty(name, value)))
  const properties = request.properties as Record<string, unknown> | undefined
  const { application_headers: headers } = properties ?? {}
  return {
    ...strip(request),
    ...(properties && { properties: { ...properties, ...(headers ? { application_headers: strip(headers) } : {}) } }),
  }
}
