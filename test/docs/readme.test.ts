import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { uniqueName, useBroker } from '../support/broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { useQueues } from '../support/queues.ts'
import { hasRedis, type RedisServer, redisTest, startRedisServer } from '../support/redis-server.ts'
import { codeBlocks, runToItsEnd } from './code-blocks.ts'
import { ROOT, readersFolder } from './readers-folder.ts'
import { SURROUNDINGS, type Surroundings, TASKS_MODULE } from './readme-surroundings.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const BLOCKS = codeBlocks('../README.md').filter(({ language }) => language === 'ts')

let redis: RedisServer | undefined
let workers: Record<'rpc' | 'redis', CeleryWorker | undefined> = { rpc: undefined, redis: undefined }
beforeAll(async () => {
  if (hasRedis()) redis = await startRedisServer()
  if (!hasCelery()) return
  const worker = (backend: string) => startCeleryWorker({ brokerUrl: broker.url, backend })
  const [rpc, withRedis] = await Promise.all([worker('rpc://'), redis && worker(redis.url)])
  workers = { rpc, redis: withRedis }
}, 90_000)
afterAll(async () => {
  await Promise.all(Object.values(workers).map((worker) => worker?.stop()))
  await redis?.stop()
})

/** A reader's folder with the packages that the README imports, and the types that it makes. */
function folderOfReadme(): string {
  const imported = [...SURROUNDINGS.map(({ before = '' }) => before), ...BLOCKS.map(({ code }) => code)]
    .flatMap((code) => [...code.matchAll(/from '((?:@[^/']+\/)?[^/'.]+)/g)].map(([, name]) => name as string))
    .filter((name) => !name.startsWith('node:') && name !== 'pooled-producer')
  const folder = readersFolder([...new Set([...imported, '@types/node'])])
  writeFileSync(join(folder, 'tasks.ts'), TASKS_MODULE)
  return folder
}

function codeOf(index: number): string {
  return BLOCKS[index]?.code as string
}

/** The block in its surroundings, as a module. */
function moduleOf({ before = '', after }: Surroundings, code: string): string {
  return `${before}\n${code}\n${after}\nexport {}\n`
}

/** The code with this run's broker, worker and Redis, and queues of its own, in place of the README's. */
async function atHome(code: string, results: Surroundings['results']): Promise<string> {
  const worker = results && workers[results]
  // Where the code says what its queues are, none must be there before.
  const saysQueues = code.includes('taskQueues')
  const queue = worker?.queue ?? (await queues.declare())
  const [exchange, tenant] = [uniqueName('media'), uniqueName('tenant-')]
  afterTest(() => queues.channel.deleteExchange(exchange))
  afterTest(() => queues.channel.deleteQueue(`${tenant}7`))
  const named = ['default', 'feeds', 'mail', 'math', 'orders'].reduce(
    (text, name) => text.replaceAll(`'${name}'`, `'${saysQueues ? queues.name() : queue}'`),
    code,
  )
  const spoken = saysQueues ? named : named.replace(/createCelery(<\w+>)?\(\{/, `$& taskDefaultQueue: '${queue}',`)
  return spoken
    .replaceAll(/'amqp:\/\/(?:127\.0\.0\.1|rabbit-\d\/prod)?'/g, `'${broker.url}'`)
    .replace(/createClient\((.+?)\)/, `createClient($1, '${queue}')`)
    .replaceAll('redis://127.0.0.1', `${redis?.url}`)
    .replaceAll('celery@host', worker?.node ?? '')
    .replaceAll("'tasks.sum'", "'tasks.xsum'")
    .replaceAll("'media'", `'${exchange}'`)
    .replaceAll('`tenant-', `\`${tenant}`)
}

test('each block of TypeScript has its surroundings', () => {
  expect(BLOCKS.map(({ heading }) => heading)).toEqual(SURROUNDINGS.map(({ heading }) => heading))
})

test('the README’s TypeScript is typed as it says', () => {
  const folder = folderOfReadme()
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  for (const [index, surroundings] of SURROUNDINGS.entries()) {
    const code = codeOf(index).replace(/^.+\/\/ does not compile/gm, '// @ts-expect-error\n$&')
    writeFileSync(join(folder, `block-${index}.ts`), moduleOf(surroundings, code))
  }
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')

  const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })

  expect({ stdout, status }).toEqual({ stdout: '', status: 0 })
}, 60_000)

for (const [index, surroundings] of SURROUNDINGS.entries()) {
  const { does, results } = surroundings
  const needsRedis = results === 'redis' && !hasRedis()
  const testWhereItCan = results === undefined ? test : needsRedis ? redisTest : celeryTest
  testWhereItCan(
    `the README’s code runs: ${does}`,
    async () => {
      const file = join(folderOfReadme(), 'block.ts')
      writeFileSync(file, await atHome(moduleOf(surroundings, codeOf(index)), results))

      await expect(runToItsEnd(`await import('${pathToFileURL(file)}')`)).resolves.toBeUndefined()
    },
    60_000,
  )
}
