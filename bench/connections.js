import { setTimeout as delay } from 'node:timers/promises'
import { createProducerPool } from '../dist/index.js'
import { startRabbitmqNode } from '../dist/testing/index.js'
import { BenchResult } from './harness/result.js'
import { median } from './harness/statistics.js'
import { progress, round } from './harness/terminal.js'

export const question = 'What does a connection take of a broker’s memory, what a channel, and how long to open?'

const FULL = { rounds: 5, connections: 200 }
const QUICK = { rounds: 2, connections: 100 }
const MORE_CHANNELS = 7
/** Opened at a time: as many processes would, not all in one instant. */
const AT_ONCE = 10
const PATIENCE = { connectTimeoutMs: 60_000, acquireTimeoutMs: 60_000 }
/**
 * What RabbitMQ counts for connections and their channels, and what the node has of the machine's memory, by which the
 * alarm is raised. Buffers of sockets, which Erlang counts whole, are not in it as far as nothing is in them.
 */
const MEMORY = `M = rabbit_vm:memory(),
  Names = [connection_readers, connection_writers, connection_channels, connection_other],
  {lists:sum([proplists:get_value(N, M) || N <- Names]), proplists:get_value(rss, proplists:get_value(total, M))}.`

/** On RabbitMQ nodes of its own, a fresh one for each round: what a node has had once it does not give back. */
export async function measure({ quick, options }) {
  const { rounds, connections } = { ...(quick ? QUICK : FULL), ...options }
  const result = new BenchResult('connections')
  const figures = []
  for (let number = 1; number <= rounds; number++) {
    progress.step(
      `round ${number} of ${rounds}: ${connections} connections, then ${MORE_CHANNELS} channels more on each`,
    )
    figures.push(await measureRound(connections))
  }
  show(result, figures, connections)
  return result
}

async function measureRound(count) {
  const node = await startRabbitmqNode()
  const opened = { connection: [], channel: [] }
  const pools = []
  const leases = []
  try {
    const before = await settledMemory(node)
    await inTurns(count, async () => {
      // With time enough: it is the broker that is measured, and not whether all come at once.
      const pool = createProducerPool({ broker: node.url, logger: openTimes(opened), ...PATIENCE })
      pools.push(pool)
      await pool.ready()
    })
    const connected = await settledMemory(node)
    await inTurns(count, async (index) => {
      // The first takes the channel that is there.
      for (let lease = 0; lease <= MORE_CHANNELS; lease++) leases.push(await pools[index].acquire())
    })
    const full = await settledMemory(node)
    return {
      connection: { openMs: opened.connection, memory: kilobytesEach(before, connected, count) },
      channel: { openMs: opened.channel, memory: kilobytesEach(connected, full, count * MORE_CHANNELS) },
    }
  } finally {
    for (const lease of leases) lease.release()
    await Promise.all(pools.map((pool) => pool.close()))
    await node.stop()
  }
}

/** A logger that keeps how long connections and channels took to open. */
function openTimes(opened) {
  const info = ({ event, openMs }) => {
    if (event === 'connection.open') opened.connection.push(openMs)
    if (event === 'channel.open') opened.channel.push(openMs)
  }
  const nothing = () => {}
  return { isLevelEnabled: (level) => level === 'info', debug: nothing, info, warn: nothing, error: nothing }
}

async function inTurns(count, run) {
  for (let at = 0; at < count; at += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, offset) => run(at + offset)))
  }
}

/** The memory of a node once two samples in a row differ by 1 % at most. */
async function settledMemory(node) {
  let last = await memory(node)
  for (;;) {
    await delay(1_000)
    const now = await memory(node)
    if (['counted', 'resident'].every((of) => Math.abs(now[of] - last[of]) <= last[of] / 100)) return now
    last = now
  }
}

async function memory(node) {
  const [, counted, resident] = /\{(\d+),(\d+)\}/.exec(await node.ctl('eval', MEMORY))
  return { counted: Number(counted), resident: Number(resident) }
}

function kilobytesEach(before, after, count) {
  const each = (of) => (after[of] - before[of]) / count / 1_000
  return { counted: each('counted'), resident: each('resident') }
}

function show(result, rounds, connections) {
  const rows = [
    { what: 'connection', each: (figures) => figures.connection, note: 'with one channel' },
    { what: 'channel', each: (figures) => figures.channel, note: 'each further one' },
  ].map(({ what, each, note }) => {
    const kilobytes = (of) => rounds.map((figures) => each(figures).memory[of])
    const openMs = rounds.map((figures) => median(each(figures).openMs))
    result.addCase({ what, connections, countedKb: kilobytes('counted'), residentKb: kilobytes('resident'), openMs })
    return {
      what,
      'kB counted': withSpread(kilobytes('counted')),
      'kB resident': withSpread(kilobytes('resident')),
      'ms to open': withSpread(openMs),
      notes: note,
      ours: true,
    }
  })
  const columns = ['what', 'kB counted', 'kB resident', 'ms to open', 'notes']
  const channels = (connections * MORE_CHANNELS).toLocaleString('en')
  result.addTable(`of a broker: ${connections} connections, then ${channels} channels more`, columns, rows)
}

function withSpread(values) {
  return `${round(median(values))} (${round(Math.min(...values))}-${round(Math.max(...values))})`
}
