import { expect, test } from '@jest/globals'
import { globExpression } from '../../../lib/celery/routing/glob.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { CELERY, runPython } from '../celery-python.ts'

const GLOBS = [
  ...['*', 'web.*', '*.add', 'a*b*c', '?*', 'web.?dd*', '[ab]*', '[!ab]*', '[a-c]x*', '[c-a]x*', '[!c-a]*', '[]a]*'],
  ...['[!]a]*', '[a*', '[', '[]*', '[^a]*', '[a-]*', '[-a]*', '[a\\]*', '[[a]*', '\\*', '*.(x)+|y', '*$', '^*', '*-*'],
]
const NAMES = [
  ...['', 'a', 'b', 'web.add', 'web.', 'web', 'tasks.add', 'aXbXc', 'ax', 'bx', 'cx', 'zx', ']x', '-x', '[x', '^x'],
  ...['\\x', 'x.(x)+|y', 'line\nbreak', 'a-b', '$', '\\', '[a', '[', '[]', '🎉'],
]

celeryTest('a glob matches what Python’s fnmatch matches', () => {
  const program = `
import fnmatch, json, re, sys
globs, names = json.load(sys.stdin)
print(json.dumps([[bool(re.compile(fnmatch.translate(g)).match(n)) for n in names] for g in globs]))
`
  const expected = runPython(program, [GLOBS, NAMES])
  const matches = GLOBS.map((glob) => NAMES.map((name) => globExpression(glob).test(name)))

  expect(CELERY).toBeDefined()
  expect(matches).toEqual(expected)
})

test('a glob matches whole names, over line breaks too', () => {
  expect(globExpression('web.*').test('my.web.add')).toBe(false)
  expect(globExpression('*.add').test('web.add.more')).toBe(false)
  expect(globExpression('*').test('line\nbreak')).toBe(true)
})
