/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The value that this share of the values (0 to 1) is not above. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]
}

/**
 * The ratio of two medians, with the least and the greatest ratio of one round. Rounds are interleaved, so
 * the two of one round have met the same machine. `ofLeast` is the ratio of the least values: of CPU times, the
 * ones that neighbours disturbed least.
 *
 * @param {number[]} values One per round.
 * @param {number[]} others One per round, in the same order.
 */
export function ratioOfMedians(values, others) {
  const perRound = values.map((value, round) => value / others[round])
  return {
    ratio: median(values) / median(others),
    least: Math.min(...perRound),
    greatest: Math.max(...perRound),
    ofLeast: Math.min(...values) / Math.min(...others),
  }
}
