import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** The installed version of a package of bench/. */
export function installedVersion(name) {
  return packageVersion(new URL(`../node_modules/${name}/package.json`, import.meta.url))
}

/** The version of the package that is measured. */
export function ownVersion() {
  return packageVersion(new URL('../../package.json', import.meta.url))
}

/** The machine as a figure's reader needs to know it. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    /** Over the minute before the run: others who want the same cores make the figures swing. */
    loadBefore: Number(loadavg()[0].toFixed(2)),
  }
}

function packageVersion(url) {
  return JSON.parse(readFileSync(url, 'utf8')).version
}
