import { expect } from '@jest/globals'
import { loadGraphviz } from '../../../lib/cli/graphviz.ts'
import { callGraph } from '../../../lib/observe/callgraph/call-graph.ts'
import { dotText } from '../../../lib/observe/callgraph/dot-text.ts'
import { callGraphPage } from '../../../lib/observe/page/call-graph-page.ts'
import {
  browserTest,
  faintText,
  misplacedText,
  textBeyondBoxes,
  useBrowser,
  type View,
} from '../../support/chromium.ts'
import { AMQPLIB, type Called, HOME, profileOf } from '../callgraph/written-profile.ts'

const show = useBrowser()
const PACKAGES = [
  undefined,
  AMQPLIB,
  'node:internal/streams/writable',
  'file:///app/node_modules/@scope/a-package/x.js',
]

const VIEWS: [string, View][] = [
  ['in light', { width: 1_400, scheme: 'light' }],
  ['in dark', { width: 1_400, scheme: 'dark' }],
  ['at the width of a phone', { width: 360, scheme: 'light' }],
  ['at the width of a phone in dark', { width: 360, scheme: 'dark' }],
  ['on paper', { width: 780, scheme: 'light', media: 'print' }],
]

/** Calls to the depth given, over all packages, in which some functions are hot and some names are long. */
function calls(depth: number, seed: number): Called[] {
  if (depth === 0) return []
  return [1, 2, 3].map((place) => {
    const number = seed * 3 + place
    const name = number % 5 === 0 ? `aRatherLongNameOfAFunctionThatWritesFrames${number}` : `f${number}`
    const url = PACKAGES[number % PACKAGES.length]
    return { name, line: number, self: number % 7 === 0 ? 60 : 4, calls: calls(depth - 1, number), ...(url && { url }) }
  })
}

async function page(): Promise<string> {
  const draw = await loadGraphviz()
  const drawn = [calls(3, 0), calls(4, 1)].map((called, index) => {
    const graph = callGraph(profileOf(...called), { home: HOME })
    return {
      title: ['pooled', 'connection-per-call'][index] as string,
      about: '10 tasks',
      graph,
      svg: draw(dotText(graph)),
    }
  })
  return callGraphPage(drawn)
}

for (const [how, view] of VIEWS) {
  browserTest(
    `seen ${how}, no text of the call graphs lies over another, none leaves its box, and all can be read`,
    async () => {
      const shown = await show(await page(), view)

      expect(await misplacedText(shown)).toEqual([])
      expect(await faintText(shown)).toEqual([])
      expect(await textBeyondBoxes(shown)).toEqual([])
      expect(await shown.locator('svg').count()).toBe(2)
      const picture = await shown.locator('svg').first().boundingBox()
      // On paper it is as wide as the page, whatever its size; on a screen it scrolls.
      if (view.media === 'print') expect(picture?.width).toBeLessThanOrEqual(view.width)
      else expect(picture?.height).toBeGreaterThan(100)
      expect((await shown.screenshot({ fullPage: true })).length).toBeGreaterThan(10_000)
      await shown.close()
    },
    60_000,
  )
}
