import { expect } from '@jest/globals'

/** The headers of `tasks.add` with the arguments `1, 'zwei'` and `three: 3`, with what a test has given besides. */
export function addHeaders(taskId: unknown, given: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    lang: 'py',
    task: 'tasks.add',
    id: taskId,
    shadow: null,
    eta: null,
    expires: null,
    group: null,
    group_index: null,
    retries: 0,
    timelimit: [null, null],
    root_id: taskId,
    parent_id: null,
    argsrepr: "(1, 'zwei')",
    kwargsrepr: "{'three': 3}",
    origin: expect.stringMatching(/^gen\d+@/),
    ignore_result: false,
    replaced_task_nesting: 0,
    stamped_headers: null,
    stamps: {},
    ...given,
  }
}
