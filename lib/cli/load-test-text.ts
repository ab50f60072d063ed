import process from 'node:process'
import { count } from '../observe/figures.ts'
import { installedVersion } from './installed-version.ts'
import type { LoadResult } from './load-test.ts'
import { RUN_HEADERS, runCells } from './run-columns.ts'
import { printable } from './terminal.ts'
import { figure, textTable } from './text-table.ts'

const HEADERS = ['', ...RUN_HEADERS, 'connections', 'tasks/channel', 'ratio']

/** The figures of a load test as a page of text: who took part, what was sent, the table. */
export function loadTestText({ broker, queue, task, concurrency, runs }: LoadResult): string {
  const rows = runs.map((run) => [
    run.mode,
    ...runCells(run),
    count(run.connectionsOpened),
    count(run.publishesPerChannel),
    figure(run.speedup),
  ])
  const lines = [
    `${printable(broker.product)} ${printable(broker.version)}, Node ${process.versions.node}, amqplib ${installedVersion('amqplib')}`,
    `${printable(task)} to ${printable(queue)}, ${count(concurrency)} at a time, each until its confirm`,
    '',
    textTable(HEADERS, rows),
    `p50, p99: from a call to its confirm${runs.length > 1 ? '; ratio: tasks/s to those of the first line' : ''}`,
  ]
  return `${lines.join('\n')}\n`
}
