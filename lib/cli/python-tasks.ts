import { execFile } from 'node:child_process'
import process from 'node:process'
import { SIGNATURES_PROGRAM } from './python-signatures.ts'
import { printable } from './terminal.ts'

/** What JSON makes of a Python value. */
export type Shape =
  | 'unknown'
  | 'null'
  | 'boolean'
  | 'number'
  | 'string'
  | { readonly list: Shape }
  | { readonly dict: Shape }
  | { readonly tuple: readonly Shape[] }
  | { readonly union: readonly Shape[] }
  | { readonly literal: readonly (string | number | boolean | null)[] }
  | { readonly object: readonly { readonly name: string; readonly type: Shape; readonly isOptional: boolean }[] }

/** A parameter of a Python function. */
export interface Parameter {
  readonly name: string
  /** As `inspect` calls it. */
  readonly kind: 'POSITIONAL_ONLY' | 'POSITIONAL_OR_KEYWORD' | 'VAR_POSITIONAL' | 'KEYWORD_ONLY' | 'VAR_KEYWORD'
  readonly type: Shape
  readonly isOptional: boolean
}

/** A task whose signature is known. */
export interface DescribedTask {
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly result: Shape
  /** The first line of its docstring; empty: it has none. */
  readonly about: string
}

const MOST_BYTES = 2 ** 26

/**
 * The tasks that a Python module and what its app includes define, by their names. Rejects with an error that says
 * why, when that Python is not there or cannot import them.
 */
export async function tasksOfModule(module: string, python: string): Promise<readonly DescribedTask[]> {
  const printed = await new Promise<string>((resolve, reject) => {
    execFile(
      python,
      ['-c', SIGNATURES_PROGRAM, module],
      { maxBuffer: MOST_BYTES, env: process.env },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout)
        const reason = stderr.trim().split('\n').at(-1) || error.message
        reject(new Error(`${printable(python)} cannot be run: ${printable(reason)}`))
      },
    )
  })
  const answer = JSON.parse(printed) as { tasks: DescribedTask[] } | { error: string }
  if ('tasks' in answer) return answer.tasks
  throw new Error(`${printable(module)} cannot be imported: ${printable(answer.error)}`)
}
