// Lets `node --import` run the sources: Node 20 does not read TypeScript by itself.
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { transform } from '@swc/core'

// The file is loaded twice: here, and in the thread of the hooks.
if (isMainThread) register(import.meta.url)

const OPTIONS = {
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    target: 'es2022',
    // As NestJS wants them.
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
  module: { type: 'es6' },
}

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context)
  const { code } = await transform(await readFile(new URL(url), 'utf8'), { ...OPTIONS, filename: url })
  return { format: 'module', source: code, shortCircuit: true }
}
