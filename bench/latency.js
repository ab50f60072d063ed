import { contestants } from './contestants/roster.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { interleave, startAll } from './harness/rounds.js'
import { median, percentile, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'

export const question = 'How long does one awaited call take, made one at a time?'

const NAMES = [
  'pooled-producer',
  'amqplib',
  'generic-pool',
  'amqp-connection-manager',
  'rabbitmq-client',
  'cloudamqp',
  'rascal',
  'celery-node',
  'celery-node-defaults',
  'channel-per-call',
  'connection-per-call',
  'python-celery',
]
/** Many short turns rather than few long ones: what the machine does besides then falls on all alike. */
const FULL = { rounds: 60, calls: 100, names: NAMES }
const QUICK = { rounds: 25, calls: 100, names: ['pooled-producer', 'amqplib', 'cloudamqp'] }
/** Calls of a turn for those that take tens of milliseconds for one. */
const CALLS_OF_THE_SLOW = 5
const SLOW_US = 10_000

/** @param {object} options `to`, `contestants` and `rounds` narrow the run. */
export async function measure({ broker, quick, options }) {
  const plan = { ...(quick ? QUICK : FULL), to: Object.keys(DESTINATIONS), ...options }
  const entries = contestants(plan.names, progress.heading)
  const result = new BenchResult('latency')
  for (const to of plan.to) {
    progress.heading(`latency: ${DESTINATIONS[to]}`)
    const settings = (entry) => ({ ...broker.destination(entry, to === 'queue'), inFlight: 1 })
    const { started, absent } = await startAll(entries, settings)
    try {
      const { figures, failed } = await interleave(
        started,
        plan.rounds,
        async (contestant) => {
          // What it took last time tells how many calls fit in a turn; the first turn is a short one.
          const slow = contestant.lastUs === undefined || contestant.lastUs > SLOW_US
          const size = slow ? { before: 1, count: CALLS_OF_THE_SLOW } : { before: 10, count: plan.calls }
          const { micros } = await contestant.ask('latencies', size)
          contestant.lastUs = median(micros)
          await broker.purge()
          return micros
        },
        (number, { name }) => progress.step(`round ${number} of ${plan.rounds}: ${name}`),
      )
      report(result, { to, entries, started, figures, remarks: new Map([...absent, ...failed]) })
    } finally {
      await Promise.all(started.map((contestant) => contestant.stop()))
    }
  }
  return result
}

function report(result, { to, entries, started, figures, remarks }) {
  const p50 = new Map([...figures].map(([name, rounds]) => [name, rounds.map((micros) => median(micros))]))
  const ratio = (name) =>
    p50.has(name) && p50.has('amqplib') ? ratioOfMedians(p50.get(name), p50.get('amqplib')) : undefined
  const rows = entries.map(({ name, kind, note }) => {
    const notes = [note, remarks.get(name)].filter(Boolean).join('; ')
    const row = { contestant: name, ours: kind === 'ours', notes }
    if (!p50.has(name)) return row
    const all = figures.get(name).flat()
    const figure = { p50Us: median(all), p99Us: percentile(all, 0.99), calls: all.length }
    const version = started.find((contestant) => contestant.name === name).version
    result.addCase({ contestant: name, kind, version, to, ...figure, toAmqplib: ratio(name), notes })
    return {
      ...row,
      'p50 us': round(figure.p50Us),
      'p99 us': round(figure.p99Us),
      'p50 to amqplib': ratioText(ratio(name)),
    }
  })
  result.addTable(
    `one awaited call at a time, ${DESTINATIONS[to]}`,
    ['contestant', 'p50 us', 'p99 us', 'p50 to amqplib', 'notes'],
    rows,
  )
  const ours = ratio('pooled-producer')
  result.addBar(`p50 of one awaited call ${DESTINATIONS[to]}, to amqplib by hand`, 'at most', 1.05, ours?.ratio)
  result.addRatio(`${to}/p50 to amqplib`, ours, 'lower')
}
