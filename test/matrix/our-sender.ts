import type { Canvas as BuiltCanvas } from '../../lib/celery/canvas/canvas.ts'
import { chain } from '../../lib/celery/canvas/chain.ts'
import { chord } from '../../lib/celery/canvas/chord.ts'
import { group } from '../../lib/celery/canvas/group.ts'
import type { Celery } from '../../lib/celery/celery.ts'
import type { TaskOptions } from '../../lib/celery/options/task-option-values.ts'
import type { Call, Canvas, Task } from './calls.ts'

/** Makes a call with this package. */
export async function send(app: Celery, { task, canvas, args, kwargs, options }: Call): Promise<void> {
  if (canvas !== undefined) await built(app, canvas).applyAsync(args, kwargs, optionsOf(app, options))
  else await app.createTask(task as string).applyAsync(args, kwargs, optionsOf(app, options))
}

function built(app: Celery, form: Canvas): BuiltCanvas {
  const whole = (part: Canvas) => built(app, part)
  const task = (part: Canvas) => app.createTask((part as Task).task, optionsOf(app, part.options))
  const made = (): BuiltCanvas => {
    if ('chain' in form) return chain(form.chain.map(whole))
    if ('group' in form) return group(form.group.map(whole))
    if ('chord' in form) return chord(form.chord.map(whole), whole(form.body))
    if ('map' in form) return task(form.map).map(form.it)
    if ('starmap' in form) return task(form.starmap).starmap(form.it as never)
    if ('chunks' in form) return task(form.chunks).chunks(form.it as never, form.size)
    const { task: name, args, kwargs, immutable = false } = form
    return app.signature(name, args, kwargs).set({ immutable })
  }
  const { link = [], linkError = [], ...options } = optionsOf(app, form.options)
  let canvas = made().set(options)
  for (const callback of link as BuiltCanvas[]) canvas = canvas.link(callback)
  for (const errback of linkError as BuiltCanvas[]) canvas = canvas.linkError(errback)
  return canvas
}

function optionsOf(app: Celery, options: object = {}): TaskOptions {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, expanded(app, name, value)]))
}

function expanded(app: Celery, name: string, value: unknown): unknown {
  if (name === 'link' || name === 'linkError') return (value as Canvas[]).map((form) => built(app, form))
  if (typeof value === 'object' && value !== null && '$date' in value) return new Date(value.$date as string)
  return value
}
