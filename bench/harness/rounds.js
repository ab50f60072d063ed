import { Contestant } from './contestant.js'

/**
 * Starts a process for each contestant. One that cannot start is left out, with the reason.
 *
 * @param {(entry: object) => object} settings What each one's `connect()` takes.
 * @returns {Promise<{ started: Contestant[], absent: Map<string, string> }>}
 */
export async function startAll(entries, settings, process) {
  const started = []
  const absent = new Map()
  for (const entry of entries) {
    try {
      started.push(await Contestant.start(entry, settings(entry), process))
    } catch (error) {
      absent.set(entry.name, error.message)
    }
  }
  return { started, absent }
}

/**
 * Lets the contestants take turns, one at a time, round by round; who begins changes with the round, so that
 * nobody always follows the same neighbour. The first round warms up and is not counted. A contestant that
 * fails is stopped and left out of the result.
 *
 * @param {(contestant: Contestant) => Promise<object>} takeTurn
 * @returns {Promise<{ figures: Map<string, object[]>, failed: Map<string, string> }>} Per contestant, one
 * figure per counted round.
 */
export async function interleave(contestants, rounds, takeTurn, onTurn = () => {}) {
  const figures = new Map(contestants.map(({ name }) => [name, []]))
  const failed = new Map()
  for (let round = 0; round <= rounds; round++) {
    const first = round % contestants.length
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      if (failed.has(contestant.name)) continue
      onTurn(round, contestant)
      try {
        const figure = await takeTurn(contestant)
        if (round > 0) figures.get(contestant.name).push(figure)
      } catch (error) {
        failed.set(contestant.name, error.message)
        contestant.kill()
      }
    }
  }
  for (const name of failed.keys()) figures.delete(name)
  return { figures, failed }
}
