import { expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { codeBlocks, readPage, runToItsEnd } from './code-blocks.ts'
import { FIGURES, loadOf, whatToAdd } from './scale-model.ts'

const broker = useBroker()

test('the table of scale.md is what its formulas give', () => {
  const rows = [...readPage('scale.md').matchAll(/^\| (\d+) \| .+ \|$/gm)]
  const number = (value: number): string => value.toLocaleString('en')
  const computed = rows.map(([, servers]) => {
    const load = loadOf({ servers: Number(servers), processesPerServer: 2, tasksPerSecondPerProcess: 50 })
    const [least, most] = load.channels.map(number)
    const cells = [
      servers,
      number(load.connections),
      `${least} to ${most}`,
      load.brokerMiB.toFixed(1),
      number(load.tasksPerSecond),
      `${Math.round(load.share * 100)} %`,
      load.confirmMs?.toFixed(2) ?? 'no end',
      whatToAdd(load),
    ]
    return `| ${cells.join(' | ')} |`
  })

  expect(computed).toHaveLength(6)
  expect(rows.map(([row]) => row)).toEqual(computed)
})

test('the formulas of scale.md have the figures of the model', () => {
  const page = readPage('scale.md')

  expect(page).toContain(`connections x ${FIGURES.connectionKb} kB + channels x ${FIGURES.channelKb} kB`)
  expect(page).toContain(`N x P x T / ${FIGURES.brokerTasksPerSecond.toLocaleString('en')}`)
  expect(page).toContain(`confirm = ${FIGURES.aloneMs} ms / (1 - share)`)
})

test('the figures of the model are those that its page and the README say were measured', () => {
  const { connectionKb, channelKb, brokerTasksPerSecond } = FIGURES
  const withChannel = /grew by (\d+) kB .+? for each of 200 connections with a channel, and by (\d+) kB/.exec(
    readPage('scale.md'),
  )
  const [ours] = /^\| \*\*pooled-producer\*\*, `delay\(\)` \|.+$/m.exec(readPage('../README.md')) ?? ['']

  expect(withChannel?.slice(1).map(Number)).toEqual([connectionKb + channelKb, channelKb])
  expect(ours).toMatch(new RegExp(`\\| ${brokerTasksPerSecond.toLocaleString('en')} \\|$`))
})

test.each(codeBlocks('scale.md'))(
  'the code of scale.md runs: $place',
  async ({ code }) => {
    const atHome = code.replace(/amqp:\/\/rabbit-\d/g, broker.url).replaceAll("'orders'", `'${broker.queueName()}'`)

    await expect(runToItsEnd(atHome)).resolves.toBeUndefined()
  },
  60_000,
)
