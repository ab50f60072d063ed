import type { TaskOptions } from './options/task-option-values.ts'
import type { CallParameters, Kwargs, Task } from './task.ts'

/** What is known of a task: its positional arguments, those that go by name, and what it gives. */
export interface TaskType {
  /** Default: none. */
  readonly args?: readonly unknown[]
  /** Default: none. */
  readonly kwargs?: object
  /** Default: unknown. */
  readonly result?: unknown
}

/** The tasks of an app of which nothing is known: any name goes, with any arguments. */
export type AnyTasks = Readonly<Record<string, TaskType>>

/** The tasks of an app by their names. */
export type TaskTypes<Tasks> = { readonly [Name in keyof Tasks]: TaskType }

/** A name that the type of an app knows; none where that knows no names. */
export type KnownName<Tasks> = string extends keyof Tasks ? never : keyof Tasks & string

/** A name in an app whose type knows none. */
export type AnyName<Tasks> = string extends keyof Tasks ? string : never

export type ArgsOf<T> = T extends { readonly args: infer Args extends readonly unknown[] } ? Args : []
export type ResultOf<T> = T extends { readonly result: infer Result } ? Result : unknown

/** With `undefined` where they can be left out. */
export type KwargsOf<T> = T extends { readonly kwargs: infer Named extends object }
  ? Partial<Named> extends Named
    ? Named | undefined
    : Named
  : T extends { readonly kwargs?: infer Named extends object }
    ? Named | undefined
    : Record<string, never> | undefined

/** The task of a name. */
export type TaskOf<T> = Task<ArgsOf<T>, ResultOf<T>, KwargsOf<T>, ArgsOf<T>>

/** Its arguments, as `applyAsync` and `sendTask` take them. */
export type CallOf<T> = CallParameters<ArgsOf<T>, KwargsOf<T>>

interface AnyCall {
  readonly name: string
  readonly args?: readonly unknown[]
  readonly kwargs?: Kwargs
  readonly options?: TaskOptions
}

type KnownCall<Name, T> = { readonly name: Name; readonly options?: TaskOptions } & ([] extends ArgsOf<T>
  ? { readonly args?: ArgsOf<T> }
  : { readonly args: ArgsOf<T> }) &
  (undefined extends KwargsOf<T> ? { readonly kwargs?: NonNullable<KwargsOf<T>> } : { readonly kwargs: KwargsOf<T> })

/** One task of `sendTasks`. */
export type TaskCall<Tasks = AnyTasks> = string extends keyof Tasks
  ? AnyCall
  : { [Name in keyof Tasks & string]: KnownCall<Name, Tasks[Name]> }[keyof Tasks & string]
