#!/usr/bin/env node
import process from 'node:process'
import { runCommandLine } from './command-line.ts'

// The reader of our output has gone, as `head` does: that is no error, and there is nobody to write for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await runCommandLine(process.argv.slice(2))
