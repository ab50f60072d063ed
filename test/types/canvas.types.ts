// Types only: tsc checks this file, nothing runs it.
import {
  type AsyncResult,
  type Canvas,
  type Chain,
  chain,
  chord,
  createCelery,
  type Group,
  type GroupResult,
  group,
  type Signature,
} from '../../lib/index.ts'
import { type Equal, holds } from './equal.ts'

const app = createCelery({ broker: 'amqp://127.0.0.1', backend: 'rpc://' })
const add = app.createTask<[number, number], number>('tasks.add', { queue: 'math' })
const name = app.createTask<[number], string>('tasks.name')

// The last arguments of a task, or all: what comes before them is the result of another.
holds<Equal<ReturnType<typeof add.s>, Signature<number>>>()
void add.s(2, 3)
void add.s(3)
void add.s()
// @ts-expect-error not a number
void add.s('3')
// @ts-expect-error one argument too many
void add.s(1, 2, 3)
// @ts-expect-error an immutable one gets nothing before its own
void add.si(1)

// What is said about a signature leaves its type.
holds<Equal<ReturnType<typeof add.s>, ReturnType<Signature<number>['set']>>>()
// @ts-expect-error misspelled
void add.s(1).set({ que: 'math' })

// A chain has the result of its last step, a group those of all, a chord that of its body.
const last = await chain(add.s(1, 2), name.s()).applyAsync()
holds<Equal<typeof last, AsyncResult<string>>>()
const all = await group(add.s(1, 2), add.s(3, 4)).applyAsync()
holds<Equal<typeof all, GroupResult<number[]>>>()
const numbers = await all.get()
holds<Equal<typeof numbers, number[]>>()
const mixed = await group(add.s(1, 2), chain(add.s(1, 2), add.s(3)), name.s(1)).applyAsync()
holds<Equal<typeof mixed, GroupResult<(number | string)[]>>>()
const ending = await chain(add.s(1, 2), group(name.s(), name.s())).delay()
holds<Equal<typeof ending, GroupResult<string[]>>>()
const body = await chord([add.s(1, 2), add.s(3, 4)], name.s()).applyAsync()
holds<Equal<typeof body, AsyncResult<string>>>()

// Parts can come in an array, as a generator of them would.
const parts: Signature<number>[] = [1, 2, 3].map((n) => add.s(n, n))
const ofNumbers = group<Signature<number>>(parts)
holds<Equal<typeof ofNumbers, Group<number>>>()
group(parts) satisfies Group<number>
chain(parts) satisfies Chain
const some: Canvas[] = [add.s(1), group(parts), chain(parts)]
void chain(some)
// @ts-expect-error a task is no signature
void chain(add, add.s(1))

// Many calls of one task.
holds<Equal<ReturnType<typeof name.map>, Signature<string[]>>>()
void add.starmap([[1, 2]])
// @ts-expect-error not a number
void add.starmap([['1', 2]])
holds<Equal<ReturnType<typeof add.chunks>, Group<number[]>>>()

// Links are signatures of the same app, or tables as Celery writes them.
void add.applyAsync([1, 2], {}, { link: name.s(), linkError: [{ task: 'tasks.alarm' }, chain(name.s(), name.s())] })
// @ts-expect-error a name is no signature
void add.applyAsync([1, 2], {}, { link: 'tasks.log' })
