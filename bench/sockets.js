import { fileURLToPath } from 'node:url'
import { BenchResult } from './harness/result.js'
import { interleave, startAll } from './harness/rounds.js'
import { median, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'
import { Worker } from './harness/worker.js'

export const question = 'What does a Unix domain socket save, to a broker on the same host?'

const WAYS = [
  { name: 'pooled-producer', kind: 'ours', door: 'tcp', note: 'TCP over loopback' },
  { name: 'pooled-producer-unix', kind: 'ours', door: 'unix', note: 'Unix domain socket' },
]
const FULL = { rounds: 20, seconds: 1, inFlight: 500, calls: 200 }
const QUICK = { ...FULL, rounds: 5 }
const FORWARDER = fileURLToPath(new URL('./harness/forwarder.js', import.meta.url))

/** @param {object} options `rounds` and `seconds` narrow the run. */
export async function measure({ broker, quick, options }) {
  const plan = { ...(quick ? QUICK : FULL), ...options }
  const result = new BenchResult('sockets')
  progress.heading('sockets: through the same forwarder, to no queue')
  const forwarder = new Worker(process.execPath, [FORWARDER])
  try {
    const doors = await forwarder.ask('open', { url: broker.url })
    const settings = ({ door }) => ({ ...broker.destination({}, false), url: doors[door], inFlight: plan.inFlight })
    const { started, absent } = await startAll(WAYS, settings)
    try {
      const { figures, failed } = await interleave(
        started,
        plan.rounds,
        async (contestant) => {
          const { micros } = await contestant.ask('latencies', { before: 10, count: plan.calls })
          const { count, cpuUs } = await contestant.ask('turn', { ms: plan.seconds * 1_000, inFlight: plan.inFlight })
          return { p50Us: median(micros), cpuUs: cpuUs / count }
        },
        (number, { name }) => progress.step(`round ${number} of ${plan.rounds}: ${name}`),
      )
      report(result, { figures, plan, remarks: new Map([...absent, ...failed]) })
    } finally {
      await Promise.all(started.map((contestant) => contestant.stop()))
    }
  } finally {
    await forwarder.stop()
  }
  return result
}

function report(result, { figures, plan, remarks }) {
  const of = (name, field) => figures.get(name)?.map((figure) => figure[field])
  const [tcp] = WAYS
  const ratio = (name, field) => {
    return of(name, field) && of(tcp.name, field) ? ratioOfMedians(of(name, field), of(tcp.name, field)) : undefined
  }
  const rows = WAYS.map(({ name, note }) => {
    const row = { way: note, ours: true, notes: remarks.get(name) ?? '' }
    if (!figures.has(name)) return row
    const figure = { p50Us: median(of(name, 'p50Us')), cpuUs: median(of(name, 'cpuUs')) }
    const ratios = { p50ToTcp: ratio(name, 'p50Us'), cpuToTcp: ratio(name, 'cpuUs') }
    result.addCase({ contestant: name, way: note, inFlight: plan.inFlight, ...figure, ...ratios })
    return {
      ...row,
      'p50 us of one call': round(figure.p50Us),
      'p50 to TCP': ratioText(ratios.p50ToTcp),
      [`CPU us at ${plan.inFlight} in flight`]: round(figure.cpuUs),
      'CPU to TCP': ratioText(ratios.cpuToTcp),
    }
  })
  const columns = [
    'way',
    'p50 us of one call',
    'p50 to TCP',
    `CPU us at ${plan.inFlight} in flight`,
    'CPU to TCP',
    'notes',
  ]
  result.addTable('to a broker on this host, both ways through one forwarder', columns, rows)
}
