import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { lineTimeMs } from '../observe/log-line.ts'
import { readLines } from './line-reader.ts'

/** How far into a file the first time is looked for. */
const HEAD_BYTES = 64 * 2 ** 10

/**
 * Log files sorted by the time of their first line, since a shell lists rotated files newest first. Where one
 * of them can't be asked (a pipe, or no time in its first lines), all stay in the order given.
 */
export async function inOrderOfTime(paths: readonly string[]): Promise<readonly string[]> {
  if (paths.length < 2) return paths
  const files = await Promise.all(paths.map(async (path) => ({ path, timeMs: await firstTimeMs(path) })))
  if (files.some(({ timeMs }) => timeMs === undefined)) return paths
  return files.sort((a, b) => (a.timeMs ?? 0) - (b.timeMs ?? 0)).map(({ path }) => path)
}

/** The bytes of a log; `-` is the standard input. */
export function openLog(path: string, stdin: Readable): Readable {
  return path === '-' ? stdin : createReadStream(path)
}

async function firstTimeMs(path: string): Promise<number | undefined> {
  if (path === '-') return undefined
  let first: number | undefined
  try {
    // Reading a pipe here would take its lines away.
    if (!(await stat(path)).isFile()) return undefined
    await readLines(createReadStream(path, { end: HEAD_BYTES - 1 }), (line) => {
      first ??= lineTimeMs(line)
    })
  } catch {
    // The head of a packed file lacks its end, and a file that can't be read is reported when its turn comes.
  }
  return first
}
