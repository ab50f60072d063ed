import { contestants } from './contestants/roster.js'
import { BlackHole } from './harness/black-hole.js'
import { Contestant } from './harness/contestant.js'
import { BenchResult } from './harness/result.js'
import { progress, round } from './harness/terminal.js'

export const question = 'What does a message in flight hold, and does memory grow with what was sent?'

const FULL = {
  held: 100_000,
  marks: [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000],
  names: ['pooled-producer', 'amqplib', 'amqp-connection-manager', 'rabbitmq-client', 'cloudamqp'],
  marching: ['pooled-producer', 'amqplib'],
}
const QUICK = {
  held: 20_000,
  marks: [200_000, 400_000, 600_000, 800_000, 1_000_000],
  names: ['pooled-producer', 'amqplib'],
  marching: ['pooled-producer'],
}
const MARCH_IN_FLIGHT = 1_000
const SAMPLE = 100
const JUDGED_FROM = 1_000_000

/** Time without end, so that a silent broker is waited for and not given up. */
const PATIENCE = {
  confirmTimeoutMs: 600_000,
  publishTimeoutMs: 600_000,
  acquireTimeoutMs: 600_000,
  heartbeatSeconds: 0,
}
/** With its defaults, ours keeps a window of messages unconfirmed and lets the others wait; or all unconfirmed. */
const FORMS = {
  defaults: {},
  'all unconfirmed': { maxChannels: 1, maxInFlight: 1_000_000, maxBufferedBytes: 2 ** 30 },
}
const SILENCES = { swallow: 'a broker that reads and says nothing', pause: 'a broker that reads nothing' }

/** @param {object} options `contestants` narrows the run. */
export async function measure({ broker, quick, options }) {
  const plan = { ...(quick ? QUICK : FULL), ...options }
  const result = new BenchResult('memory')
  for (const silence of Object.keys(SILENCES)) await measureHeld(result, broker, plan, silence)
  await measureMarch(result, broker, options.names ? { ...plan, marching: options.names } : plan)
  return result
}

async function measureHeld(result, broker, { held, names }, silence) {
  progress.heading(`memory: ${held} in flight to ${SILENCES[silence]}`)
  const rows = []
  for (const entry of contestants(names, progress.heading)) {
    const forms = entry.kind === 'ours' ? FORMS : { '': {} }
    for (const [form, poolOptions] of Object.entries(forms)) {
      progress.step(`${entry.name} ${form}`)
      rows.push(await heldRow(result, broker, { entry, form, poolOptions, held, silence }))
    }
  }
  const columns = ['contestant', 'bytes of its own', 'beside it', 'resident, beside it', 'notes']
  result.addTable(`bytes for each of ${held.toLocaleString('en')} in flight to ${SILENCES[silence]}`, columns, rows)
}

async function heldRow(result, broker, { entry, form, poolOptions, held, silence }) {
  const row = { contestant: entry.name, ours: entry.kind === 'ours', notes: form }
  const hole = await BlackHole.start(broker.url)
  let contestant
  try {
    // A heartbeat that is not answered would end the connection, and with it what is in flight.
    const settings = {
      ...broker.destination(entry, false),
      url: `${hole.url}?heartbeat=0`,
      inFlight: held,
      poolOptions: { ...PATIENCE, ...poolOptions },
    }
    contestant = await Contestant.start(entry, settings, { nodeOptions: ['--expose-gc'] })
    await contestant.ask('turn', { count: SAMPLE, inFlight: SAMPLE })
    const bytesBefore = hole.bytes
    await contestant.ask('turn', { count: SAMPLE, inFlight: SAMPLE })
    const ownBytes = (hole.bytes - bytesBefore) / SAMPLE
    hole[silence]()
    const { heapBytes, rssBytes } = await contestant.ask('hold', { count: held })
    const figure = {
      ownBytes,
      besideBytes: heapBytes / held - ownBytes,
      residentBesideBytes: rssBytes / held - ownBytes,
    }
    result.addCase({
      contestant: entry.name,
      kind: entry.kind,
      version: contestant.version,
      form,
      silence,
      held,
      ...figure,
    })
    if (entry.name === 'pooled-producer') {
      const name = `bytes beside the message's own, ${form}, to ${SILENCES[silence]}`
      result.addBar(name, 'at most', 1_024, figure.besideBytes)
      // Below zero it would have no ratio; a message's own bytes are then the measure.
      result.addRatio(`${silence}/${form}/bytes in flight to its own`, { ratio: heapBytes / held / ownBytes }, 'lower')
    }
    return {
      ...row,
      'bytes of its own': round(ownBytes),
      'beside it': round(figure.besideBytes),
      'resident, beside it': round(figure.residentBesideBytes),
    }
  } catch (error) {
    return { ...row, notes: [form, error.message].filter(Boolean).join('; ') }
  } finally {
    contestant?.kill()
    await hole.stop()
  }
}

async function measureMarch(result, broker, { marks, marching }) {
  progress.heading(`memory: ${marks.at(-1).toLocaleString('en')} publishes, ${MARCH_IN_FLIGHT} in flight`)
  const columns = ['contestant', ...marks.map((mark) => `MiB at ${mark / 1e6} M`), 'growth MiB', 'notes']
  const rows = []
  for (const entry of contestants(marching, progress.heading)) {
    progress.step(entry.name)
    const row = { contestant: entry.name, ours: entry.kind === 'ours' }
    let contestant
    try {
      const settings = { ...broker.destination(entry, false), inFlight: MARCH_IN_FLIGHT }
      contestant = await Contestant.start(entry, settings)
      const { rssBytes } = await contestant.ask('march', { marks, inFlight: MARCH_IN_FLIGHT })
      const mebibytes = rssBytes.map((bytes) => bytes / 2 ** 20)
      const growth = mebibytes.at(-1) - mebibytes[0]
      const { version } = contestant
      result.addCase({ contestant: entry.name, kind: entry.kind, version, marks, rssMiB: mebibytes, growthMiB: growth })
      if (entry.name === 'pooled-producer') {
        // The young heap grows to its size in the first million; before that there is nothing to judge.
        const judged = marks[0] >= JUDGED_FROM ? growth : undefined
        result.addBar('MiB of resident memory more at 5 M publishes than at 1 M', 'at most', 10, judged)
      }
      const cells = Object.fromEntries(marks.map((mark, index) => [`MiB at ${mark / 1e6} M`, round(mebibytes[index])]))
      rows.push({ ...row, ...cells, 'growth MiB': round(growth) })
    } catch (error) {
      rows.push({ ...row, notes: error.message })
    } finally {
      await contestant?.stop()
    }
  }
  result.addTable('resident memory over many publishes, to no queue', columns, rows)
}
