import { spawnSync } from 'node:child_process'

/** A Python that has Celery, by its command, and Celery's version; undefined when the machine has none. */
export const CELERY: { python: string; version: string } | undefined = findCelery()

/** Runs a program that reads JSON on stdin and prints JSON. */
export function runPython(program: string, input: unknown): unknown {
  if (CELERY === undefined) throw new Error('no Python with Celery on this machine')
  const run = spawnSync(CELERY.python, ['-c', program], {
    input: typeof input === 'string' ? input : JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (run.status !== 0) throw new Error(`Python failed: ${run.stderr}`)
  return JSON.parse(run.stdout)
}

function findCelery(): { python: string; version: string } | undefined {
  for (const python of [process.env.PYTHON, 'python3', '/usr/bin/python3']) {
    if (python === undefined) continue
    const run = spawnSync(python, ['-c', 'import celery; print(celery.__version__)'], { encoding: 'utf8' })
    if (run.status === 0) return { python, version: run.stdout.trim() }
  }
  return undefined
}
