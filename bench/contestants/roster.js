import { spawnSync } from 'node:child_process'

const PYTHON = '/usr/bin/python3'

/**
 * Everybody who is measured. `kind`: ours, a rival, or a limit that is no client. `caps` bounds what is in
 * flight, with the reason. `note` stands beside the figures. What a contestant's own message lacks is not
 * written here: the bench reads it back from the broker.
 */
const CONTESTANTS = [
  { name: 'pooled-producer', kind: 'ours' },
  { name: 'pooled-producer-options', kind: 'ours', note: 'eight constant options on the task' },
  { name: 'pooled-producer-batch', kind: 'ours', note: 'delayMany, batches of 100' },
  { name: 'celery-node-wrapped', kind: 'ours', note: 'withPooledProducer; always to a queue', storesAlways: true },
  { name: 'amqplib', kind: 'rival', note: 'by hand' },
  { name: 'generic-pool', kind: 'rival', note: 'around amqplib' },
  { name: 'amqp-connection-manager', kind: 'rival' },
  { name: 'rabbitmq-client', kind: 'rival' },
  { name: 'cloudamqp', kind: 'rival' },
  { name: 'rascal', kind: 'rival', note: 'a pool of up to 100 channels' },
  { name: 'celery-node', kind: 'rival', note: 'noDelay; no confirms; always to a queue', storesAlways: true },
  { name: 'celery-node-defaults', kind: 'rival', note: 'no confirms; always to a queue', storesAlways: true },
  { name: 'channel-per-call', kind: 'rival', caps: { inFlight: 1_000, reason: 'a connection has 2,047 channels' } },
  { name: 'connection-per-call', kind: 'rival', caps: { inFlight: 100, reason: 'a broker has few file handles' } },
  { name: 'python-celery', kind: 'rival', note: 'confirm_publish, up to 10 threads', python: PYTHON },
  { name: 'raw-awaited', kind: 'limit', note: 'ready-made frames, one write a turn, a promise each' },
  { name: 'raw-socket', kind: 'limit', note: 'ready-made frames, 100 to a write' },
  { name: 'message-alone', kind: 'limit', note: 'uuid, arguments, JSON; nothing sent' },
]

/**
 * The contestants of these names, or all, without those that cannot run here; `say` is told of each that is
 * left out. A name that is unknown is an error.
 */
export function contestants(names, say) {
  const chosen = (names ?? CONTESTANTS.map(({ name }) => name)).map((name) => {
    const found = CONTESTANTS.find((contestant) => contestant.name === name)
    if (!found) throw new Error(`no contestant ${name}; known are ${CONTESTANTS.map((each) => each.name).join(', ')}`)
    return found
  })
  return chosen.filter((entry) => {
    if (isInstalled(entry)) return true
    say(`${entry.name} is left out: ${entry.python} has no celery`)
    return false
  })
}

function isInstalled({ python }) {
  return python === undefined || spawnSync(python, ['-c', 'import celery']).status === 0
}
