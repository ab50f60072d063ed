import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterTest } from '../support/cleanup.ts'
import { startScript } from '../support/script.ts'

/** A block of code of a page: where it stands (its section, and its first line's comment), its language and its text. */
export interface CodeBlock {
  /** The nearest heading above it; empty at the top. */
  readonly heading: string
  readonly place: string
  /** Empty for what a command prints. */
  readonly language: string
  readonly code: string
}

/** The text of a page of `docs`, or of one beside it by its path from there. */
export function readPage(name: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8')
}

/** The blocks of code of a page of `docs`, in their order. */
export function codeBlocks(name: string): CodeBlock[] {
  const page = readPage(name)
  return [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(({ index, 1: language, 2: code }) => {
    const before = page.slice(0, index)
    const [heading, section] = [/.*^##+ (.+?)$/ms, /.*^## (.+?)$/ms].map((last) => last.exec(before)?.[1])
    const place = `${section}: ${/^(?:\/\/|#) (.+)$/m.exec(code as string)?.[1]}`
    return { heading: heading ?? '', place, language: language as string, code: code as string }
  })
}

/** Runs a block of JavaScript to its end; what it asserts must hold. */
export async function runToItsEnd(code: string): Promise<void> {
  const failing = "console.assert = (holds) => { if (!holds) throw new Error('what the page says does not hold') }\n"
  // Some of the other clients keep their process alive.
  const script = startScript(`${failing}${code}\nconsole.log('ran')\nsetTimeout(() => process.exit(), 200)`)
  afterTest(() => script.process.kill())
  // The pool's own log, and what the page's code prints, come before.
  while ((await script.nextLine()) !== 'ran');
}
