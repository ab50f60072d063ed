import { expect, test } from '@jest/globals'
import { loadGraphviz } from '../../../lib/cli/graphviz.ts'
import { callGraph } from '../../../lib/observe/callgraph/call-graph.ts'
import { dotText } from '../../../lib/observe/callgraph/dot-text.ts'
import { AMQPLIB, type Called, HOME, profileOf } from './written-profile.ts'

function dotOf(...called: readonly Called[]): string {
  return dotText(callGraph(profileOf(...called), { home: HOME }))
}

test('functions are boxes in the frame of their package, and calls are lines with their share', () => {
  const publish = { name: 'publish', url: AMQPLIB, line: 7, self: 25 }
  const text = dotOf({ name: 'main', self: 75, calls: [publish] })

  expect(text).toContain('label="pooled-producer  75 %"')
  expect(text).toContain('label="amqplib  25 %"')
  expect(text).toContain('[label="main\\nown.js:1\\nself 75 %, total 100 %", fillcolor="#c4232f", fontcolor="#ffffff"]')
  expect(text).toContain('[label="publish\\nchannel.js:7\\nself 25 %, total 25 %"')
  expect(text).toMatch(/"main .*own\.js:1:1" -> "publish .*channel\.js:7:1" \[label=" 25 %", penwidth=2\.10\]/)
})

test('a name of any kind is drawn as it is, and speaks neither to Graphviz nor to the browser', async () => {
  const names = [
    'a"b',
    'back\\slash',
    'c:\\new',
    '<img src=x onerror=alert(1)>',
    '&lt;tag&gt; & more',
    'two\nlines\u0000',
  ]
  const draw = await loadGraphviz()

  const svg = draw(dotOf(...names.map((name, line) => ({ name, line, self: 10 }))))

  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => unescaped(text as string))
  for (const name of names) expect(texts).toContain(name.replace(/[\n\0]/g, ' ').trim())
  expect(svg).not.toContain('<img')
})

test('a name that is too long for a box is cut', () => {
  expect(dotOf({ name: 'n'.repeat(200), self: 1 })).toContain(`label="${'n'.repeat(37)}...\\n`)
})

function unescaped(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('\u00a0', ' ')
    .trim()
}
