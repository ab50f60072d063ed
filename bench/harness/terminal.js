import { styleText } from 'node:util'

const STYLED = process.stdout.isTTY && process.env.NO_COLOR === undefined

/** Progress on stderr: headings, and steps that write over each other, on a terminal only. */
export const progress = {
  heading: (text) => {
    clearStep()
    process.stderr.write(`${text}\n`)
  },
  step: (text) => {
    if (!process.stderr.isTTY) return
    clearStep()
    process.stderr.write(`  ${text.slice(0, (process.stderr.columns ?? 80) - 3)}`)
  },
  clear: clearStep,
}

function clearStep() {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K')
}

/** A table in text: the first column to the left, figures to the right, a column named `notes` to the left. */
export function table({ title, columns, rows }) {
  const cells = rows.map((row) => columns.map((column) => `${row[column] ?? ''}`))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((line) => line[index].length)))
  const draw = (line) =>
    line
      .map((cell, index) =>
        index === 0 || columns[index] === 'notes' ? cell.padEnd(widths[index]) : cell.padStart(widths[index]),
      )
      .join('  ')
      .trimEnd()
  const body = rows.map((row, index) => (row.ours ? bold(draw(cells[index])) : draw(cells[index])))
  return [bold(title), draw(columns), draw(widths.map((width) => '-'.repeat(width))), ...body, ''].join('\n')
}

/** The bars as a list: met, NOT met or not measured, with the figure. */
export function barList(bars) {
  const lines = bars.map(({ bench, bar, relation, limit, figure, detail, met }) => {
    if (met === undefined) return `  not measured  ${bench}: ${bar}, ${relation} ${limit}`
    const verdict = met ? colour('green', 'met    ') : colour('red', 'NOT met')
    return `  ${verdict}  ${bench}: ${bar} ${round(figure)}, ${relation} ${limit}${detail && ` (${detail})`}`
  })
  return [bold('Bars'), ...lines, ''].join('\n')
}

/** A figure with three significant digits or, from 100 on, as a whole number with separators. */
export function round(value) {
  if (value === undefined || Number.isNaN(value)) return '-'
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : `${Number(value.toPrecision(3))}`
}

/** A ratio with its spread over the rounds. */
export function ratioText({ ratio, least, greatest } = {}) {
  return ratio === undefined ? '-' : `${ratio.toFixed(2)} (${least.toFixed(2)}-${greatest.toFixed(2)})`
}

function bold(text) {
  return colour('bold', text)
}

function colour(format, text) {
  return STYLED ? styleText(format, text) : text
}
