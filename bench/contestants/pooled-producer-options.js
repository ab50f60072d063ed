import { connect as connectPlain } from './pooled-producer.js'

/** Options that hold for all calls of a task; the two times are other text in every millisecond. */
const TASK_OPTIONS = {
  priority: 5,
  countdown: 10,
  expires: 3_600,
  timeLimit: 300,
  softTimeLimit: 240,
  shadow: 'bench',
  ignoreResult: true,
  headers: { tenant: 'acme' },
}

/** The package as in `pooled-producer.js`, with every kind of constant option on the task. */
export function connect(settings) {
  return connectPlain({ ...settings, taskOptions: TASK_OPTIONS })
}
