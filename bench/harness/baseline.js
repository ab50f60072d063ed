import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const FILE = new URL('../baseline.json', import.meta.url)

/** A ratio may get worse by this factor before the comparison fails. */
const TOLERANCE = 1.15
/** What a busy machine leaves alone: CPU time of two clients that did nothing but send, in the same rounds. */
const STEADY = /^cpu-per-task\/none\/500\/cpu to amqplib$/

/**
 * Compares ratios with the stored ones of the same kind of broker and the same form, full or quick. Ratios
 * are remembered and not figures, because they hold across machines far better. One is worse when it is so by
 * more than the tolerance, and when even the best of its rounds is worse than what is stored.
 *
 * @param {{ product: string, quick: boolean, steady: boolean }} run `steady` compares only what a busy machine
 * leaves alone.
 * @returns {{ compared: object[], missing: boolean }} `worse` stands in each compared ratio; `missing`: nothing
 * is stored for such a run.
 */
export function compareWithBaseline(ratios, { product, quick, steady }) {
  const stored = read()[form(product, quick)]?.ratios
  if (stored === undefined) return { compared: [], missing: true }
  const compared = []
  for (const [key, { value, least, greatest, ofLeast, better }] of Object.entries(ratios)) {
    const before = stored[key]
    if (before === undefined || (steady && !STEADY.test(key))) continue
    const byFactor = (figure) => (better === 'lower' ? figure / before : before / figure)
    const now = steady ? ofLeast : value
    const factor = byFactor(now)
    const isOutsideSpread = byFactor(better === 'lower' ? least : greatest) > 1
    compared.push({ key, before, now, factor, worse: factor > TOLERANCE && isOutsideSpread })
  }
  return { compared, missing: false }
}

/**
 * The stored ratios of these benches, and of these destinations if only some were asked for, that a run has not
 * measured: something in it has not worked.
 */
export function unmeasured(ratios, names, destinations, { product, quick }) {
  const stored = read()[form(product, quick)]?.ratios ?? {}
  return Object.keys(stored).filter((key) => {
    const [bench, to] = key.split('/')
    return names.includes(bench) && (destinations ?? [to]).includes(to) && ratios[key] === undefined
  })
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
