import { spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { freePort } from '../../lib/testing/free-port.ts'
import { ended, GuardedFolder, isRunning, signalGroup } from '../../lib/testing/guarded-folder.ts'
import { until } from './condition.ts'
import { type ConditionalTest, testThatNeeds } from './needs.ts'

/** A Redis of a test's own. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Ends it; `start` brings it back, empty, on the same port. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Ends it for good. */
  stop(): Promise<void>
}

/** Whether this machine has a redis-server. */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** A test that needs a real Redis. */
export const redisTest: ConditionalTest = testThatNeeds('Redis', hasRedis(), 'redis-server is not installed')

/** Starts a Redis on a free port, which keeps nothing on disk. */
export async function startRedisServer(): Promise<RedisServer> {
  const port = await freePort()
  const folder = new GuardedFolder('pooled-producer-redis')
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const spawnServer = () => folder.spawn({ name: 'redis', command: 'redis-server', args, env: process.env })
  let server = spawnServer()
  const kill = async (): Promise<void> => {
    if (!isRunning(server)) return
    signalGroup(server, 'SIGKILL')
    await ended(server)
  }
  await until(() => accepts(port))
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    async start() {
      server = spawnServer()
      await until(() => accepts(port))
    },
    async stop() {
      await kill()
      await folder.remove()
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
  })
}
