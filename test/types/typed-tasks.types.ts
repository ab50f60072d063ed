// Types only: tsc checks this file, nothing runs it.
import { type AsyncResult, type BatchOutcome, type Celery, createCelery, type TaskCall } from '../../lib/index.ts'
import { type Equal, holds } from './equal.ts'

interface Tasks {
  'tasks.add': { args: [x: number, y: number]; result: number }
  'mail.send': { args: [to: string, copies?: number]; kwargs: { urgent?: boolean }; result: null }
  'report.make': { kwargs: { year: number; format?: 'pdf' | 'csv' }; result: string }
  'report.maybe': { args?: [number]; kwargs?: { year: number } }
  'tasks.sum': { args: number[]; result: number }
  'tasks.nothing': { result: null }
  'tasks.loose': { args: unknown[]; kwargs?: Record<string, unknown> }
}

const app = createCelery<Tasks>({ broker: 'amqp://127.0.0.1' })
holds<Equal<typeof app, Celery<Tasks>>>()

// A task's name gives its arguments and its result.
const add = app.createTask('tasks.add', { queue: 'math' })
const sum = await add.delay(2, 3)
holds<Equal<typeof sum, AsyncResult<number>>>()
const applied = await add.applyAsync([2, 3], {}, { countdown: 5 })
holds<Equal<typeof applied, AsyncResult<number>>>()
// @ts-expect-error no task has this name
app.createTask('tasks.ad')
// @ts-expect-error an unknown option
app.createTask('tasks.add', { que: 'math' })
// @ts-expect-error one argument too few
void add.delay(2)
// @ts-expect-error not a number
void add.delay(2, '3')
// @ts-expect-error one argument too few
void add.applyAsync([2])
// @ts-expect-error the arguments are needed
void add.applyAsync()
// @ts-expect-error it takes no keyword arguments
void add.applyAsync([2, 3], { base: 10 })

// Optional arguments, and keyword arguments that can all be left out.
const mail = app.createTask('mail.send')
void mail.delay('ada')
void mail.delay('ada', 2)
void mail.applyAsync(['ada'])
void mail.applyAsync(['ada', 2], { urgent: true })
// @ts-expect-error not a boolean
void mail.applyAsync(['ada'], { urgent: 'yes' })
// @ts-expect-error no such keyword
void mail.applyAsync(['ada'], { urgnt: true })

// A keyword argument that is needed.
const report = app.createTask('report.make')
void report.applyAsync([], { year: 2026, format: 'pdf' })
// @ts-expect-error the year is missing
void report.applyAsync([], { format: 'pdf' })
// @ts-expect-error the year is missing
void report.applyAsync([])
// @ts-expect-error delay has no keyword arguments
void report.delay()
// @ts-expect-error no such format
void report.applyAsync([], { year: 2026, format: 'doc' })
void app.createTask('report.maybe').applyAsync()

// Any number of arguments, none, and anything.
void app.createTask('tasks.sum').delay(1, 2, 3)
// @ts-expect-error not a number
void app.createTask('tasks.sum').delay(1, '2')
void app.createTask('tasks.nothing').delay()
// @ts-expect-error it takes none
void app.createTask('tasks.nothing').delay(1)
void app.createTask('tasks.loose').applyAsync([1, 'two'], { three: 3 })

// sendTask, by name.
const sent = await app.sendTask('tasks.add', [2, 3], {}, { queue: 'math' })
holds<Equal<typeof sent, AsyncResult<number>>>()
void app.sendTask('tasks.nothing')
// @ts-expect-error no task has this name
void app.sendTask('tasks.ad', [2, 3])
// @ts-expect-error the arguments are needed
void app.sendTask('tasks.add')
// @ts-expect-error not a number
void app.sendTask('tasks.add', [2, '3'])
// @ts-expect-error the year is missing
void app.sendTask('report.make', [], {})

// Batches.
const outcomes = await add.delayMany([[[1, 2]], [[3, 4]]])
holds<Equal<typeof outcomes, BatchOutcome<number>[]>>()
// @ts-expect-error not a number
void add.delayMany([[[1, '2']]])
// @ts-expect-error the year is missing
void report.delayMany([[[]]])
void report.delayMany([[[], { year: 2026 }]])
void app.sendTasks([
  { name: 'tasks.add', args: [1, 2] },
  { name: 'report.make', kwargs: { year: 1 } },
  { name: 'tasks.nothing' },
])
// @ts-expect-error no task has this name
void app.sendTasks([{ name: 'tasks.ad', args: [1, 2] }])
// @ts-expect-error not a number
void app.sendTasks([{ name: 'tasks.add', args: [1, '2'] }])
// @ts-expect-error the arguments are needed
void app.sendTasks([{ name: 'tasks.add' }])
const call: TaskCall<Tasks> = { name: 'mail.send', args: ['ada'], options: { priority: 1 } }
void app.sendTasks([call])

// A list of tasks must be one.
interface NoTasks {
  'tasks.add': { args: number }
}
// @ts-expect-error args are an array
createCelery<NoTasks>()

// Where any app will do, a typed one does.
function takesAny(any: Celery): void {
  void any.sendTask('whatever', [1])
}
takesAny(app)
