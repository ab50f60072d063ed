// A string, so that what stands in one is left alone; or one of the three words that only Python writes.
const STRING_OR_WORD = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g
/** What stands for such a word in between; no text of a task begins with it. */
const MARK = `\u0000python:${Math.random()}:`

/**
 * JSON as Python writes it: with `NaN`, `Infinity` and `-Infinity`, which JSON has no words for and Python's
 * encoder writes all the same.
 *
 * @throws {SyntaxError} for anything else that is no JSON.
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error
    const marked = text.replace(STRING_OR_WORD, (found) => (found[0] === '"' ? found : JSON.stringify(MARK + found)))
    return JSON.parse(marked, (_, value: unknown) => {
      return typeof value === 'string' && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value
    })
  }
}
