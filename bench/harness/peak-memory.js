/**
 * Preloaded into a process that is measured: at its end it tells, on its file descriptor 3, the most resident memory
 * that it had, in KiB.
 */
import { readFileSync, writeSync } from 'node:fs'

process.on('exit', () => writeSync(3, `${peakKib()}`))

function peakKib() {
  // Linux counts what the parent had at the fork into `maxRSS`.
  if (process.platform === 'linux') return /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]
  return process.resourceUsage().maxRSS
}
