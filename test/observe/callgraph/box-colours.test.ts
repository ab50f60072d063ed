import { expect, test } from '@jest/globals'
import { boxColours } from '../../../lib/observe/callgraph/box-colours.ts'

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

test('whatever its share, the text of a box has a contrast of 4.5 or more with it', () => {
  const contrasts = Array.from({ length: 1_001 }, (_, index) => {
    const { fill, text } = boxColours(index / 1_000)
    const [dark, light] = [luminance(fill), luminance(text)].sort((a, b) => a - b) as [number, number]
    return (light + 0.05) / (dark + 0.05)
  })

  expect(Math.min(...contrasts)).toBeGreaterThanOrEqual(4.5)
})

test('from nothing to a quarter of the time a box goes from grey to red, and no further', () => {
  expect(boxColours(0)).toEqual({ fill: '#f3f5f7', text: '#000000' })
  expect(boxColours(0.25)).toEqual({ fill: '#c4232f', text: '#ffffff' })
  expect(boxColours(1)).toEqual(boxColours(0.25))
})
