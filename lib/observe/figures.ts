const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `12,034`. */
export function count(value: number): string {
  return grouped.format(value)
}

/** `12,034 publishes`, `1 lease`: a count with its noun, which takes an s (or an es) where there is not just one. */
export function counted(value: number, noun: string): string {
  if (value === 1) return `1 ${noun}`
  return `${count(value)} ${noun}${/(s|x|ch|sh)$/.test(noun) ? 'es' : 's'}`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** `0.42 ms`, `12 ms`, `3.2 s`, `4 min`, `2.1 h`, `9 d`: milliseconds to two figures or so, in the unit that suits. */
export function duration(ms: number): string {
  for (const [unit, size] of UNITS) {
    if (ms >= size) return `${twoFigures(ms / size)} ${unit}`
  }
  return `${twoFigures(ms)} ms`
}

function twoFigures(value: number): string {
  if (value >= 10) return count(value)
  return `${Number(value.toFixed(value >= 1 ? 1 : 2))}`
}

/** `99.98 %`, rounded down: what was not quite all never reads as 100 %. */
export function percent(ratio: number): string {
  return `${Math.floor(ratio * 10_000 + 1e-6) / 100} %`
}

/** `31 %`, `4.2 %`: a share of a whole to two figures or so. */
export function share(ratio: number): string {
  const hundredths = ratio * 100
  return `${hundredths >= 9.95 ? Math.round(hundredths) : Number(hundredths.toFixed(1))} %`
}
