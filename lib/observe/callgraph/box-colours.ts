/** A box and its text, as `#rrggbb`. */
export interface BoxColours {
  readonly fill: string
  readonly text: string
}

type Rgb = readonly [red: number, green: number, blue: number]

/** From cold to hot, at equal distances. */
const STOPS: readonly Rgb[] = [
  [0xf3, 0xf5, 0xf7],
  [0xff, 0xe4, 0x94],
  [0xff, 0xa6, 0x5c],
  [0xc4, 0x23, 0x2f],
]
/** A function that takes this share by itself is as hot as it gets. */
const HOTTEST = 0.25

/**
 * The colours of a function that takes this share of the time, from 0 to 1. Of black and white one has a contrast of
 * 4.5 or more with any colour (WCAG 2.2, 1.4.3), in light and dark alike.
 */
export function boxColours(share: number): BoxColours {
  // The root spreads the small shares, which most functions have.
  const heat = Math.sqrt(Math.min(1, Math.max(0, share / HOTTEST))) * (STOPS.length - 1)
  const stop = Math.min(Math.floor(heat), STOPS.length - 2)
  const [cold, hot] = [STOPS[stop] as Rgb, STOPS[stop + 1] as Rgb]
  const fill = cold.map((value, index) => Math.round(value + ((hot[index] as number) - value) * (heat - stop)))
  const colour = fill as unknown as Rgb
  const text = contrast(colour, [0, 0, 0]) >= contrast(colour, [255, 255, 255]) ? '#000000' : '#ffffff'
  return { fill: `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`, text }
}

function contrast(a: Rgb, b: Rgb): number {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (lighter + 0.05) / (darker + 0.05)
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
