/** Says in one line which rows of the fault catalogue have run: a test's name begins with its row, `row 6: ...`. */
export default class RowsReporter {
  onRunComplete(_contexts, { testResults }) {
    const rows = new Set()
    for (const { title, status } of testResults.flatMap((file) => file.testResults)) {
      const row = /^row (\d+)\b/.exec(title)?.[1]
      if (row !== undefined && (status === 'passed' || status === 'failed')) rows.add(Number(row))
    }
    process.stderr.write(`Faults: ${rows.size} rows of the catalogue ran: ${spans([...rows])}\n`)
  }
}

/** Numbers as people write them: 1-3, 7. */
function spans(numbers) {
  const parts = []
  for (const number of numbers.sort((a, b) => a - b)) {
    const last = parts.at(-1)
    if (last !== undefined && last.to === number - 1) last.to = number
    else parts.push({ from: number, to: number })
  }
  return parts.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}
