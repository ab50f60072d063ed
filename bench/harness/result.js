/**
 * What one bench found: `cases` for `--json`, `tables` for the terminal, `bars` that must be met, `ratios`
 * for the baseline.
 */
export class BenchResult {
  constructor(bench) {
    this.bench = bench
    this.cases = []
    this.tables = []
    this.bars = []
    this.ratios = {}
    /** The share of a core that work which never waits has had; 1 where nobody else wants it. */
    this.freeCore = 1
  }

  /** One measured case: who, under which conditions, with which figures. */
  addCase(details) {
    this.cases.push({ bench: this.bench, ...details })
  }

  addTable(title, columns, rows) {
    this.tables.push({ title, columns, rows })
  }

  /** A bar: the figure must be at most, or at least, the limit. Not measured: the figure is undefined. */
  addBar(name, relation, limit, figure, detail = '') {
    const met = figure === undefined ? undefined : relation === 'at most' ? figure <= limit : figure >= limit
    this.bars.push({ bench: this.bench, bar: name, relation, limit, figure, detail, met })
  }

  /**
   * A ratio of ours that the baseline remembers, with its spread over the rounds if it has one; `better` tells
   * which way is an improvement. Nothing is remembered of what was not measured.
   */
  addRatio(key, { ratio, least = ratio, greatest = ratio, ofLeast = ratio } = {}, better) {
    if (Number.isFinite(ratio)) this.ratios[`${this.bench}/${key}`] = { value: ratio, least, greatest, ofLeast, better }
  }
}
