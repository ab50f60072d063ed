import { randomUUID } from 'node:crypto'

/** The name of the task that every contestant sends. */
export const TASK_NAME = 'bench.add'

const ORIGIN = `gen${process.pid}@bench`

/**
 * The Celery v2 message that every contestant sends which does not make one by itself: 19 headers, an id and
 * a body made for each call, as Celery 5.3 and later send them. The number makes the arguments differ from
 * call to call, so that nobody gains by remembering the last ones.
 */
export function celeryMessage(number) {
  const id = randomUUID()
  return { id, headers: celeryHeaders(id, number), body: celeryBody(number) }
}

/** What varies from call to call, and nothing else: an id, the text of the arguments and the body. */
export function varyingParts(number) {
  return { id: randomUUID(), argsrepr: `(${number}, 3)`, body: celeryBody(number) }
}

function celeryBody(number) {
  const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
  return Buffer.from(JSON.stringify([[number, 3], {}, embed]))
}

function celeryHeaders(id, number) {
  return {
    lang: 'py',
    task: TASK_NAME,
    id,
    shadow: null,
    eta: null,
    expires: null,
    group: null,
    group_index: null,
    retries: 0,
    timelimit: [null, null],
    root_id: id,
    parent_id: null,
    argsrepr: `(${number}, 3)`,
    kwargsrepr: '{}',
    origin: ORIGIN,
    ignore_result: false,
    replaced_task_nesting: 0,
    stamped_headers: null,
    stamps: {},
  }
}
