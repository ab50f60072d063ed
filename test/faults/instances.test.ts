import { expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { useQueues } from '../support/queues.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const own = (name: string) => ({ name, code: 'ERR_INVALID_OPTION', channelsOpened: 1 })

/** Runs a script that prints its reports. */
async function run(source: string): Promise<{ queue: string; reports: unknown[] }> {
  const queue = await queues.declare()
  const script = startScript(source, { BROKER: broker.url, QUEUE: queue })
  const reports = JSON.parse(await script.nextLine()) as unknown[]
  expect(await script.ended).toEqual({ code: 0, signal: null })
  return { queue, reports }
}

test('row 69: the package loaded as ESM and by require, twice over, is three that do not meet', async () => {
  const { queue, reports } = await run(`
    import { createRequire } from 'node:module'
    import { publishName } from '../faults/support/one-pool.js'
    const esm = await import('../../dist/index.js')
    const again = await import('../../dist/index.js?again')
    const cjs = createRequire(import.meta.url)('../../dist/index.js')
    const all = [publishName(esm, 'esm'), publishName(again, 'again'), publishName(cjs, 'cjs')]
    console.log(JSON.stringify(await Promise.all(all)))
  `)

  expect(reports).toEqual([own('esm'), own('again'), own('cjs')])
  expect((await queues.bodies(queue)).sort()).toEqual(['again', 'cjs', 'esm'])
})

test('row 69: each worker thread has a pool of its own, and ends with it', async () => {
  const { queue, reports } = await run(`
    import { Worker } from 'node:worker_threads'
    const file = new URL('../faults/support/one-pool.js', import.meta.url)
    const reports = ['one', 'two', 'three'].map((workerData) => new Promise((resolve, reject) => {
      let report
      new Worker(file, { workerData, execArgv: [] })
        .on('message', (message) => { report = message })
        .on('error', reject)
        .on('exit', () => resolve(report))
    }))
    console.log(JSON.stringify(await Promise.all(reports)))
  `)

  expect(reports).toEqual([own('one'), own('two'), own('three')])
  expect((await queues.bodies(queue)).sort()).toEqual(['one', 'three', 'two'])
})

test('row 69: each process of a cluster has a pool of its own, and ends with it', async () => {
  const { queue, reports } = await run(`
    import cluster from 'node:cluster'
    import { fileURLToPath } from 'node:url'
    const exec = fileURLToPath(new URL('../faults/support/one-pool.js', import.meta.url))
    cluster.setupPrimary({ exec, execArgv: [] })
    const reports = ['one', 'two'].map((NAME) => new Promise((resolve) => {
      let report
      cluster.fork({ NAME })
        .on('message', (message) => { report = message })
        .on('exit', () => resolve(report))
    }))
    console.log(JSON.stringify(await Promise.all(reports)))
  `)

  expect(reports).toEqual([own('one'), own('two')])
  expect((await queues.bodies(queue)).sort()).toEqual(['one', 'two'])
})
