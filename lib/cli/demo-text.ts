import process from 'node:process'
import { count, counted, percent } from '../observe/figures.ts'
import type { Broker } from '../testing/broker.ts'
import { type DemoResult, type DemoRun, WINDOW } from './demo.ts'
import { installedVersion } from './installed-version.ts'
import { RUN_HEADERS, runCells } from './run-columns.ts'
import { figure, textTable } from './text-table.ts'

/** The demo's figures as a page of text: who took part, the table, what arrived, and what the log said of reuse. */
export function demoText(broker: Broker, { runs, reuse }: DemoResult, emphasised: (text: string) => string): string {
  const blocks = [
    `${versionsText(broker, runs)}\nPersistent Celery v2 tasks to a durable queue, ${WINDOW} calls at a time`,
    `${runsTable(runs)}${footnotes(runs)}`,
    `${arrivalsText(runs)}\n${emphasised(reuseText(reuse))}`,
  ]
  return `${blocks.join('\n\n')}\n`
}

const ORIGIN = { rabbitmq: 'a private node', emulator: 'an emulator', external: 'AMQP_URL' } as const

function versionsText({ kind, product, version }: Broker, runs: readonly DemoRun[]): string {
  const parts = [
    `${product} ${version} (${ORIGIN[kind]})`,
    `Node ${process.versions.node}`,
    `amqplib ${installedVersion('amqplib')}`,
    hasCeleryNode(runs) && `celery-node ${installedVersion('celery-node')}`,
  ]
  const line = parts.filter((part) => part !== false).join(', ')
  const isEmulator = kind === 'emulator' || /emulator/i.test(product)
  return isEmulator ? `${line}\nThe figures are the emulator's own, not those of RabbitMQ` : line
}

function runsTable(runs: readonly DemoRun[]): string {
  const headers = ['', ...RUN_HEADERS, 'tasks/channel', 'ratio']
  const rows = runs.map((run) => [
    run.name === 'celery-node' ? 'celery-node *' : run.name,
    ...runCells(run),
    count(run.publishesPerChannel),
    figure(run.speedup),
  ])
  return textTable(headers, rows)
}

function footnotes(runs: readonly DemoRun[]): string {
  const notes = ['', 'p50, p99: from a call to its confirm; ratio: tasks/s to those of the first line']
  if (hasCeleryNode(runs)) notes.push('* it has no confirms: its calls end when the task is handed to the socket')
  return notes.join('\n')
}

function arrivalsText(runs: readonly DemoRun[]): string {
  const tasks = sum(runs.map((run) => run.tasks))
  const lost = sum(runs.map((run) => run.lost))
  const duplicated = sum(runs.map((run) => run.duplicated))
  if (lost === 0 && duplicated === 0) return `All ${counted(tasks, 'task')} arrived exactly as sent, once each`
  return `Of ${counted(tasks, 'task')} ${count(lost)} did not arrive as sent; ${counted(duplicated, 'message')} too many arrived`
}

function reuseText({ publishes, channelsOpened, reuseRatio }: DemoResult['reuse']): string {
  const over = `${counted(publishes, 'publish')} over ${counted(channelsOpened, 'channel')}`
  return `${percent(reuseRatio)} channel reuse, read back from the log of the pools: ${over}`
}

function hasCeleryNode(runs: readonly DemoRun[]): boolean {
  return runs.some(({ name }) => name === 'celery-node')
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
