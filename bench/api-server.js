import { fileURLToPath } from 'node:url'
import { contestants } from './contestants/roster.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { interleave, startAll } from './harness/rounds.js'
import { median, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'
import { Worker } from './harness/worker.js'

export const question =
  'What does a handler that awaits a confirmed delay() leave of the requests that one without it serves?'

const NAMES = ['pooled-producer', 'amqplib', 'channel-per-call', 'raw-awaited']
const FULL = { rounds: 5, seconds: 4, connections: 100, names: NAMES }
const QUICK = { rounds: 2, seconds: 2, connections: 100, names: NAMES, to: ['none'] }
const NOTHING = { name: 'nothing', kind: 'limit', note: 'the handler without a task' }
const LOAD_SCRIPT = fileURLToPath(new URL('./harness/http-load-process.js', import.meta.url))

/** @param {object} options `to`, `contestants`, `rounds` and `seconds` narrow the run. */
export async function measure({ broker, quick, options }) {
  const plan = { to: Object.keys(DESTINATIONS), ...(quick ? QUICK : FULL), ...options }
  const entries = [NOTHING, ...contestants(plan.names, progress.heading)]
  const result = new BenchResult('api-server')
  for (const to of plan.to) {
    progress.heading(`api-server: tasks ${DESTINATIONS[to]}`)
    const settings = (entry) => ({ ...broker.destination(entry, to === 'queue'), inFlight: plan.connections })
    const { started, absent } = await startAll(entries, settings, { script: './api-server-process.js' })
    const load = new Worker(process.execPath, [LOAD_SCRIPT])
    try {
      const { connections, seconds } = plan
      const { figures, failed } = await interleave(
        started,
        plan.rounds,
        async (server) => {
          await server.ask('begin')
          const client = await load.ask('load', { port: server.port, connections, seconds })
          const turn = { ...client, ...(await server.ask('end')) }
          await broker.purge()
          if (turn.refused > 0) throw new Error(`${turn.refused} requests were refused`)
          return turn
        },
        (number, { name }) => progress.step(`round ${number} of ${plan.rounds}: ${name}`),
      )
      report(result, { to, entries, started, figures, remarks: new Map([...absent, ...failed]), connections })
    } finally {
      await load.stop()
      await Promise.all(started.map((server) => server.stop()))
    }
  }
  return result
}

function report(result, { to, entries, started, figures, remarks, connections }) {
  const of = (name, field) => figures.get(name)?.map((turn) => turn[field])
  const perCpuSecond = (name) => figures.get(name)?.map(({ requests, cpuUs }) => requests / (cpuUs / 1e6))
  const ratio = (values) => (name) =>
    values(name) && values('nothing') ? ratioOfMedians(values(name), values('nothing')) : undefined
  const rateRatio = ratio((name) => of(name, 'rate'))
  const cpuRatio = ratio(perCpuSecond)

  const rows = entries.map(({ name, kind, note }) => {
    const notes = [note, remarks.get(name)].filter(Boolean).join('; ')
    const row = { handler: name, ours: kind === 'ours', notes }
    if (!figures.has(name)) return row
    const medians = ['rate', 'p50Ms', 'p99Ms', 'coreShare', 'loopDelayP99Ms'].map((field) => [
      field,
      median(of(name, field)),
    ])
    const figure = { ...Object.fromEntries(medians), requestsPerCpuSecond: median(perCpuSecond(name)) }
    const version = started.find((server) => server.name === name).version
    const ratios = { rateToNothing: rateRatio(name), perCpuSecondToNothing: cpuRatio(name) }
    result.addCase({ contestant: name, kind, version, to, connections, ...figure, ...ratios })
    return {
      ...row,
      'requests/s': round(figure.rate),
      'to nothing': ratioText(rateRatio(name)),
      'p99 ms': round(figure.p99Ms),
      'loop delay p99 ms': round(figure.loopDelayP99Ms),
      'of a core': figure.coreShare.toFixed(2),
      'requests per CPU second': round(figure.requestsPerCpuSecond),
      'of those, to nothing': ratioText(cpuRatio(name)),
    }
  })
  const columns = [
    'handler',
    'requests/s',
    'to nothing',
    'p99 ms',
    'loop delay p99 ms',
    'of a core',
    'requests per CPU second',
    'of those, to nothing',
    'notes',
  ]
  result.addTable(`Fastify, ${connections} HTTP connections, tasks ${DESTINATIONS[to]}`, columns, rows)
  // What a core serves that the load keeps busy. Where load and broker have no core to themselves they are the
  // bottleneck, and the requests in a second are theirs.
  const ours = cpuRatio('pooled-producer')
  const name = `requests per CPU second with a confirmed delay() ${DESTINATIONS[to]}, to the handler without it`
  const detail = [`requests/s ${ratioText(rateRatio('pooled-producer'))}`]
  if (cpuRatio('raw-awaited')) detail.push(`awaiting ready-made frames ${ratioText(cpuRatio('raw-awaited'))}`)
  result.addBar(name, 'at least', 0.85, ours?.ratio, ours && [ratioText(ours), ...detail].join('; '))
  result.addRatio(`${to}/requests to nothing`, rateRatio('pooled-producer'), 'higher')
  result.addRatio(`${to}/requests per CPU second to nothing`, ours, 'higher')
}
