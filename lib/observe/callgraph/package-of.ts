import type { CallFrame } from './cpu-profile.ts'

const MODULES = '/node_modules/'

/**
 * The package that a function is part of: one of `node_modules` by its name, `pooled-producer`, `node:` for Node's own
 * code, `v8:` for the engine (its built-in functions, the garbage collector, and `(program)`, native code that is
 * nobody's in particular), `wasm:`, or `script:` for all else.
 *
 * @param home the URL of this package's folder, with a slash at its end.
 */
export function packageOf({ url }: CallFrame, home: string): string {
  if (url === '') return 'v8:'
  for (const scheme of ['node:', 'wasm:']) if (url.startsWith(scheme)) return scheme
  const inside = url.lastIndexOf(MODULES)
  if (inside >= 0) {
    const [first = '', second = ''] = url.slice(inside + MODULES.length).split('/')
    return first.startsWith('@') ? `${first}/${second}` : first
  }
  return url.startsWith(home) ? 'pooled-producer' : 'script:'
}

/** `channel.js:120`, or nothing for the engine; Node's own `node:events` is `events`. */
export function placeOf({ url, lineNumber }: CallFrame): string {
  return url === '' ? '' : `${url.slice(Math.max(url.lastIndexOf('/'), url.lastIndexOf(':')) + 1)}:${lineNumber + 1}`
}
