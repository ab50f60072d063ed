/** A value as an error message shows it: short, typed and on one line. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    // Under whatever name it was given, a URL may hold a password.
    const shown = value.replace(/:\/\/.*/s, '://...')
    return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}...` : shown)
  }
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return `${value}`
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  const name = Object.getPrototypeOf(value)?.constructor?.name
  return !name || name === 'Object' ? 'an object' : `an instance of ${name}`
}
