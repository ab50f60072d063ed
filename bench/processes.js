import { contestants } from './contestants/roster.js'
import { Contestant } from './harness/contestant.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { median } from './harness/statistics.js'
import { progress, round } from './harness/terminal.js'

export const question = 'What do several processes reach at once, and what do more connections and channels give one?'

const FULL = { rounds: 5, seconds: 1, processes: [1, 2, 4], names: ['pooled-producer', 'amqplib', 'cloudamqp'] }
const QUICK = { rounds: 2, seconds: 0.4, processes: [1, 2], names: ['pooled-producer', 'amqplib'], to: ['none'] }
const IN_FLIGHT = 500
/** Enough in flight that more than one channel of ours, with its window of 1,024, has something to do. */
const SHAPES_IN_FLIGHT = 4_000
const SHAPES = [
  { connections: 1, channels: 1 },
  { connections: 1, channels: 8 },
  { connections: 2, channels: 2 },
  { connections: 2, channels: 16 },
  { connections: 4, channels: 4 },
]
/** Those that can be told how many connections and channels to use. */
const SHAPEABLE = ['pooled-producer', 'amqplib']

/** @param {object} options `to`, `contestants`, `rounds` and `seconds` narrow the run. */
export async function measure({ broker, quick, options }) {
  const plan = { to: Object.keys(DESTINATIONS), ...(quick ? QUICK : FULL), ...options }
  const entries = contestants(plan.names, progress.heading)
  const result = new BenchResult('processes')
  for (const to of plan.to) {
    await measureProcesses(result, { broker, plan, entries, to })
    const shapeable = entries.filter(({ name }) => SHAPEABLE.includes(name))
    await measureShapes(result, { broker, plan, entries: shapeable, to })
  }
  return result
}

async function measureProcesses(result, { broker, plan, entries, to }) {
  progress.heading(`processes: ${DESTINATIONS[to]}, ${IN_FLIGHT} in flight each`)
  const cases = entries.flatMap((entry) => plan.processes.map((processes) => ({ entry, processes })))
  const rows = await measureCases(result, cases, { broker, plan, to, inFlight: IN_FLIGHT })
  const columns = ['contestant', 'processes', 'CPU us/task', 'tasks/s together', 'notes']
  result.addTable(`several processes, ${DESTINATIONS[to]}, ${IN_FLIGHT} in flight each`, columns, rows)
}

async function measureShapes(result, { broker, plan, entries, to }) {
  progress.heading(`processes: ${DESTINATIONS[to]}, connections and channels`)
  const cases = entries.flatMap((entry) => SHAPES.map((shape) => ({ entry, processes: 1, ...shape })))
  const rows = await measureCases(result, cases, { broker, plan, to, inFlight: SHAPES_IN_FLIGHT })
  const columns = ['contestant', 'connections', 'channels', 'CPU us/task', 'tasks/s together', 'notes']
  result.addTable(`one process, ${DESTINATIONS[to]}, ${SHAPES_IN_FLIGHT} in flight`, columns, rows)
}

/** All cases stay connected while their rounds take turns; those of one case send at once. */
async function measureCases(result, cases, { broker, plan, to, inFlight }) {
  for (const each of cases) each.turns = []
  try {
    for (const each of cases) await startCase(each, broker, to, inFlight)
    for (let number = 0; number <= plan.rounds; number++) {
      for (const each of cases.filter(({ error }) => error === undefined)) {
        progress.step(`round ${number} of ${plan.rounds}: ${each.entry.name}, ${each.processes} processes`)
        await takeTurn(each, number, plan.seconds, inFlight)
        await broker.purge()
      }
    }
  } finally {
    await Promise.all(cases.flatMap(({ workers = [] }) => workers.map((worker) => worker.stop())))
  }
  return cases.map((each) => caseRow(result, each, to, inFlight))
}

async function startCase(each, broker, to, inFlight) {
  const { entry, processes, connections, channels } = each
  const settings = { ...broker.destination(entry, to === 'queue'), inFlight, connections, channels }
  each.workers = []
  try {
    for (let index = 0; index < processes; index++) each.workers.push(await Contestant.start(entry, settings))
  } catch (error) {
    each.error = error.message
  }
}

async function takeTurn(each, number, seconds, inFlight) {
  try {
    const details = number === 0 ? { ms: seconds * 1e3, inFlight } : { count: each.count, inFlight }
    const turns = await Promise.all(each.workers.map((worker) => worker.ask('turn', details)))
    const count = sum(turns, 'count')
    // The first round tells how many fit in a turn, so that all of a case end at about the same time.
    if (number === 0) each.count = Math.ceil(count / each.processes)
    else each.turns.push({ cpuUs: sum(turns, 'cpuUs') / count, rate: count / (longest(turns) / 1e3) })
  } catch (error) {
    each.error = error.message
  }
}

function caseRow(result, { entry, processes, connections, channels, turns, error, workers }, to, inFlight) {
  const row = { contestant: entry.name, ours: entry.kind === 'ours', processes, connections, channels, notes: error }
  if (turns.length === 0) return row
  const figure = { cpuUs: median(turns.map(({ cpuUs }) => cpuUs)), rate: median(turns.map(({ rate }) => rate)) }
  const { version } = workers[0]
  result.addCase({
    contestant: entry.name,
    kind: entry.kind,
    version,
    to,
    inFlight,
    processes,
    connections,
    channels,
    ...figure,
  })
  return { ...row, 'CPU us/task': round(figure.cpuUs), 'tasks/s together': round(figure.rate) }
}

function sum(turns, field) {
  return turns.reduce((total, turn) => total + turn[field], 0)
}

function longest(turns) {
  return Math.max(...turns.map(({ wallMs }) => wallMs))
}
