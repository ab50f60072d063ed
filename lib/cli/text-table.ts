import { count } from '../observe/figures.ts'

/**
 * Rows of text in columns as wide as their widest cell, two spaces apart, under a line of headers; no
 * line ends in a space or the last in a line break.
 *
 * @param align each column's side; those not named are numbers, on the right, if all their cells look like it.
 */
export function textTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly ('left' | 'right')[] = [],
): string {
  const lines = [headers, ...rows]
  const columns = headers.map((_, column) => ({
    width: Math.max(...lines.map((line) => widthOf(line[column] ?? ''))),
    side: align[column] ?? (rows.every((row) => isFigure(row[column] ?? '')) ? 'right' : 'left'),
  }))
  return lines
    .map((line) =>
      columns
        .map(({ width, side }, column) => padded(line[column] ?? '', width, side))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A figure for a cell: three digits or so. */
export function figure(value: number): string {
  return value >= 100 ? count(value) : value.toFixed(value >= 10 ? 1 : 2)
}

function padded(cell: string, width: number, side: 'left' | 'right'): string {
  const space = ' '.repeat(width - widthOf(cell))
  return side === 'left' ? `${cell}${space}` : `${space}${cell}`
}

/** Characters, not UTF-16 units; wide ones count as one. */
function widthOf(cell: string): number {
  return Array.from(cell).length
}

/** A number with or without a unit, or the dash or gap that stands for none. */
function isFigure(cell: string): boolean {
  return cell === '' || cell === '-' || /^[-+]?[\d,.]+( ?\S{1,5})?$/.test(cell)
}
