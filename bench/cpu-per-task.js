import { contestants } from './contestants/roster.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { interleave, startAll } from './harness/rounds.js'
import { messageDifferences } from './harness/same-message.js'
import { median, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'
import { warmUp } from './harness/warm-up.js'

export const question = 'What does one confirmed task cost in CPU, and how many go through in a second?'

const FULL = { inFlight: [1, 100, 500, 1_000, 10_000, 100_000], rounds: 5, seconds: 1, names: undefined }
const QUICK = {
  inFlight: [500],
  rounds: 6,
  seconds: 0.4,
  names: ['pooled-producer', 'pooled-producer-options', 'amqplib', 'cloudamqp', 'raw-socket', 'message-alone'],
}
/** A turn that would take longer is not made; the table says so. */
const MAX_TURN_SECONDS = 30
/** The ratios of the issue, at 500 in flight. */
const BARS = {
  none: { toAmqplib: 0.2, toCheapest: 0.36, ratePeer: 'raw-socket', rate: 0.92 },
  queue: { toAmqplib: 0.15, toCheapest: 0.28, ratePeer: 'amqplib', rate: 0.95 },
}

/**
 * @param {object} options `inFlight`, `to`, `contestants`, `rounds` and `seconds` narrow the run.
 */
export async function measure({ broker, quick, options }) {
  const plan = { ...(quick ? QUICK : FULL), to: Object.keys(DESTINATIONS), ...options }
  const entries = contestants(plan.names, progress.heading)
  const result = new BenchResult('cpu-per-task')
  progress.step('reading back the message of each contestant')
  const checked = await messageDifferences(broker, entries)

  for (const to of plan.to) {
    for (const inFlight of plan.inFlight) {
      progress.heading(`cpu-per-task: ${DESTINATIONS[to]}, ${inFlight} in flight`)
      const rounds = inFlight >= 100_000 ? Math.min(3, plan.rounds) : plan.rounds
      const { seconds } = plan
      const measured = await measureCase({ broker, entries, to, inFlight, rounds, seconds, absent: checked.absent })
      // Among chosen rivals the cheapest may not be the cheapest of all.
      const isOfAll = options.names === undefined
      report(result, { ...measured, entries, to, inFlight, differences: checked.differences, isOfAll })
    }
  }
  return result
}

async function measureCase({ broker, entries, to, inFlight, rounds, seconds, absent }) {
  const width = (entry) => Math.min(inFlight, entry.caps?.inFlight ?? Infinity)
  const remarks = new Map(absent)
  // A contestant that is held far below the level has nothing to say about it.
  const able = entries.filter((entry) => {
    if (absent.has(entry.name)) return false
    const fits = width(entry) === inFlight || inFlight <= 1_000
    if (!fits) remarks.set(entry.name, `at most ${width(entry)} in flight: ${entry.caps.reason}`)
    else if (width(entry) < inFlight) remarks.set(entry.name, `at ${width(entry)} in flight: ${entry.caps.reason}`)
    return fits
  })
  const { started, absent: refused } = await startAll(able, (entry) => ({
    ...broker.destination(entry, to === 'queue'),
    inFlight: width(entry),
  }))
  try {
    const counts = new Map()
    for (const contestant of started) {
      progress.step(`${contestant.name}: warming up`)
      const rate = await warmUp(contestant, width(contestant.entry)).catch(({ message }) => {
        refused.set(contestant.name, message)
        contestant.kill()
      })
      if (rate === undefined) continue
      const count = turnCount(rate, seconds, width(contestant.entry))
      if (count / rate <= MAX_TURN_SECONDS) counts.set(contestant.name, count)
      else remarks.set(contestant.name, `too slow: a turn would take ${Math.round(count / rate)} s`)
    }
    await broker.purge()
    const { figures, failed } = await interleave(
      started.filter(({ name }) => counts.has(name)),
      rounds,
      async (contestant) => {
        const figure = await contestant.ask('turn', {
          count: counts.get(contestant.name),
          inFlight: width(contestant.entry),
        })
        await broker.purge()
        return figure
      },
      (number, { name }) => progress.step(`round ${number} of ${rounds}: ${name}`),
    )
    return { figures, started, remarks: new Map([...remarks, ...refused, ...failed]) }
  } finally {
    await Promise.all(started.map((contestant) => contestant.stop()))
  }
}

/** As many as fit in the time, and twice what is in flight so that it is in flight for a while; once for the slow. */
function turnCount(rate, seconds, inFlight) {
  const enough = (2 * inFlight) / rate > MAX_TURN_SECONDS / 3 ? inFlight : 2 * inFlight
  return Math.ceil(Math.max(rate * seconds, enough))
}

function report(result, { figures, started, remarks, entries, to, inFlight, differences, isOfAll }) {
  const cpu = perRound(figures, ({ cpuUs, count }) => cpuUs / count)
  const rate = perRound(figures, ({ wallMs, count }) => (count / wallMs) * 1e3)
  const cheapest = cheapestRival(entries, cpu)
  const alone = figures.get('message-alone')
  if (alone) result.freeCore = Math.min(result.freeCore, median(alone.map((turn) => turn.cpuUs / 1e3 / turn.wallMs)))
  const ratio = (values, name, peer) =>
    values.has(name) && values.has(peer) ? ratioOfMedians(values.get(name), values.get(peer)) : undefined

  const rows = byCost(entries, cpu).map((entry) => {
    const { name, kind } = entry
    const notes = [entry.note, remarks.get(name), differences.get(name)].filter(Boolean).join('; ')
    const row = { contestant: name, ours: kind === 'ours', notes }
    if (!cpu.has(name)) return row
    const toAmqplib = ratio(cpu, name, 'amqplib')
    const toCheapest = ratio(cpu, name, cheapest)
    const figure = { cpuUs: median(cpu.get(name)), rate: median(rate.get(name)) }
    const version = started.find((contestant) => contestant.name === name)?.version
    result.addCase({ contestant: name, kind, version, to, inFlight, ...figure, toAmqplib, toCheapest, cheapest, notes })
    return {
      ...row,
      'CPU us/task': round(figure.cpuUs),
      'tasks/s': name === 'message-alone' ? '' : round(figure.rate),
      'CPU to amqplib': ratioText(toAmqplib),
      'CPU to cheapest rival': ratioText(toCheapest),
    }
  })
  const columns = ['contestant', 'CPU us/task', 'tasks/s', 'CPU to amqplib', 'CPU to cheapest rival', 'notes']
  const title = `${DESTINATIONS[to]}, ${inFlight} in flight${cheapest ? ` (cheapest rival: ${cheapest})` : ''}`
  result.addTable(title, columns, rows)
  remember(result, { cpu, rate, ratio, cheapest, to, inFlight, isOfAll })
}

function remember(result, { cpu, rate, ratio, cheapest, to, inFlight, isOfAll }) {
  const ours = 'pooled-producer'
  const key = `${to}/${inFlight}`
  const toAmqplib = ratio(cpu, ours, 'amqplib')
  const toCheapest = ratio(cpu, ours, cheapest)
  const bars = BARS[to]
  const toRatePeer = ratio(rate, ours, bars.ratePeer)
  result.addRatio(`${key}/cpu to amqplib`, toAmqplib, 'lower')
  if (isOfAll) result.addRatio(`${key}/cpu to the cheapest rival`, toCheapest, 'lower')
  result.addRatio(`${key}/rate to ${bars.ratePeer}`, toRatePeer, 'higher')
  if (inFlight !== 500) return

  const where = `${DESTINATIONS[to]}, 500 in flight`
  result.addBar(`CPU ${where}, to amqplib by hand`, 'at most', bars.toAmqplib, toAmqplib?.ratio, spread(toAmqplib))
  const rival = `CPU ${where}, to the cheapest rival`
  result.addBar(rival, 'at most', bars.toCheapest, toCheapest?.ratio, [cheapest, spread(toCheapest)].join(', '))

  const toSum = addSumBar(result, cpu, 'raw-socket', `CPU ${where}, to making the message + raw socket`)
  result.addRatio(`${key}/cpu to the sum of its parts`, toSum, 'lower')
  addSumBar(result, cpu, 'raw-awaited', `CPU ${where}, to making the message + awaiting ready-made frames`)
  const toPlain = ratio(cpu, `${ours}-options`, ours)
  result.addRatio(`${key}/cpu with options to without`, toPlain, 'lower')
  const optionsBar = `CPU ${where}, with constant options on the task, to without`
  result.addBar(optionsBar, 'at most', 1.1, toPlain?.ratio, spread(toPlain))
  const rateBar = `rate ${where}, to ${bars.ratePeer}`
  result.addBar(rateBar, 'at least', bars.rate, toRatePeer?.ratio, spread(toRatePeer))
}

/** Nobody who makes the message and sends it can cost less than making it and a limit that only sends. */
function addSumBar(result, cpu, limit, name) {
  const parts = ['message-alone', limit].map((part) => cpu.get(part))
  const sum = parts.every(Boolean) ? parts[0].map((alone, index) => alone + parts[1][index]) : undefined
  const toSum = sum && cpu.has('pooled-producer') ? ratioOfMedians(cpu.get('pooled-producer'), sum) : undefined
  result.addBar(name, 'at most', 1.2, toSum?.ratio, toSum && `${round(median(sum))} us; ${spread(toSum)}`)
  return toSum
}

/** Ours, then the rivals from cheap to dear, then the limits. */
function byCost(entries, cpu) {
  const kinds = ['ours', 'rival', 'limit']
  const cost = ({ name }) => (cpu.has(name) ? median(cpu.get(name)) : Number.MAX_VALUE)
  return entries.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || cost(a) - cost(b))
}

function perRound(figures, value) {
  return new Map([...figures].map(([name, rounds]) => [name, rounds.map(value)]))
}

function cheapestRival(entries, cpu) {
  const rivals = entries.filter(({ name, kind }) => kind === 'rival' && cpu.has(name))
  return rivals.toSorted((a, b) => median(cpu.get(a.name)) - median(cpu.get(b.name)))[0]?.name
}

function spread(value) {
  return value === undefined ? '' : `${value.least.toFixed(2)}-${value.greatest.toFixed(2)} over the rounds`
}
