import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const FILE = new URL('../baseline.json', import.meta.url)

/** A ratio may get worse by this factor before the comparison fails. */
const TOLERANCE = 1.15

/**
 * Compares ratios with the stored ones of the same kind of broker and the same form, full or quick. Ratios
 * are remembered and not figures, because they hold across machines far better.
 *
 * @returns {{ compared: object[], missing: boolean }} `worse` stands in each compared ratio.
 */
export function compareWithBaseline(ratios, { product, quick }) {
  const stored = read()[form(product, quick)]?.ratios
  if (stored === undefined) return { compared: [], missing: true }
  const compared = []
  for (const [key, { value, better }] of Object.entries(ratios)) {
    const before = stored[key]
    if (before === undefined) continue
    const factor = better === 'lower' ? value / before : before / value
    compared.push({ key, before, now: value, factor, worse: factor > TOLERANCE })
  }
  return { compared, missing: false }
}

/** Stores the ratios of this run; those of benches that did not run stay. */
export function saveBaseline(ratios, { product, quick, conditions }) {
  const all = read()
  const name = form(product, quick)
  const merged = { ...all[name]?.ratios }
  for (const [key, { value }] of Object.entries(ratios)) merged[key] = Number(value.toPrecision(4))
  const sorted = Object.fromEntries(Object.entries(merged).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  all[name] = { conditions, ratios: sorted }
  writeFileSync(FILE, `${JSON.stringify(all, undefined, 2)}\n`)
}

function form(product, quick) {
  return `${product}, ${quick ? 'quick' : 'full'}`
}

function read() {
  return existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {}
}
