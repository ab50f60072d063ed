import { compareWithBaseline, saveBaseline, unmeasured } from './baseline.js'
import { BenchBroker } from './broker.js'
import { barList, progress, round, table } from './terminal.js'
import { machine, ownVersion } from './versions.js'

/** With less of a core than this for work that never waits, the figures are the neighbours'. */
const LEAST_FREE_CORE = 0.8
/** A load average above this, before the run, means that others use the cores. */
const BUSY_LOAD = 0.7

/**
 * Runs benches one after another against one broker and shows what they found.
 *
 * @returns {Promise<number>} The exit code: 1 when the baseline was not held.
 */
export async function runBenches(names, flags) {
  progress.heading('bench: starting the broker')
  const broker = await BenchBroker.start()
  // The children get the same signal from the terminal, and end when this process does.
  const onSignal = () => {
    broker.stop().then(
      () => process.exit(130),
      () => process.exit(130),
    )
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    return await new BenchSession(broker, flags).run(names)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    await broker.stop()
  }
}

class BenchSession {
  #broker
  #flags
  #conditions

  constructor(broker, flags) {
    this.#broker = broker
    this.#flags = flags
    this.#conditions = {
      date: new Date().toISOString(),
      package: ownVersion(),
      broker: `${broker.product} ${broker.version}`,
      ...machine(),
    }
  }

  async run(names) {
    const { json, baseline, saveBaseline: save } = this.#flags
    const { loadBefore } = this.#conditions
    progress.heading(`bench: ${describe(this.#conditions)}`)
    if (loadBefore > BUSY_LOAD) progress.heading(`bench: the machine is busy (load ${loadBefore}); ratios will swing`)

    const results = await this.#measure(names)
    if (!json) {
      const bars = results.flatMap((result) => result.bars)
      if (bars.length > 0) console.log(barList(bars))
      console.log(describe(this.#conditions))
    }
    const ratios = Object.assign({}, ...results.map((result) => result.ratios))
    const held = baseline ? this.#isComplete(ratios, names) && (await this.#isHeld(results, ratios)) : true
    if (save) saveBaseline(ratios, { ...this.#form(), conditions: this.#conditions })
    return held ? 0 : 1
  }

  async #measure(names) {
    const { quick, json, options } = this.#flags
    const results = []
    for (const name of names) {
      const { measure, question } = await import(`../${name}.js`)
      progress.heading(`${name}: ${question}`)
      const result = await measure({ broker: this.#broker, quick, options })
      progress.clear()
      results.push(result)
      if (json) this.#printLines(result)
      else this.#printTables(result)
    }
    return results
  }

  /** A run with all its contestants and levels measures all that is stored; one that fails leaves a gap. */
  #isComplete(ratios, names) {
    const { to, ...narrower } = this.#flags.options
    if (Object.keys(narrower).length > 0) return true
    const gaps = unmeasured(ratios, names, to, this.#form())
    if (gaps.length > 0) this.#say(`The baseline has ratios that were not measured now: ${gaps.join(', ')}.`)
    return gaps.length === 0
  }

  async #isHeld(results, ratios) {
    const freeCore = Math.min(...results.map((result) => result.freeCore))
    if (!this.#flags.steady || freeCore >= LEAST_FREE_CORE) return this.#isBaselineHeld(ratios)
    const share = Math.round(freeCore * 100)
    this.#say(`Baseline: NOT compared. Making messages had ${share} % of a core; others took the rest.`)
    return true
  }

  /** A ratio counts as worse when a second measurement says so too: one alone can have met a busy moment. */
  async #isBaselineHeld(ratios) {
    const { compared, missing } = compareWithBaseline(ratios, this.#form())
    if (missing) {
      this.#say('No baseline for this broker and form of run: make one with --save-baseline.')
      return false
    }
    const suspects = compared.filter((each) => each.worse)
    const worse = suspects.length > 0 ? await this.#stillWorse(suspects) : []
    this.#say(`Baseline: ${compared.length} ratios compared, ${worse.length} worse by more than 15 % and their spread.`)
    for (const { key, before, now, factor } of worse) {
      this.#say(`  ${key}: ${round(before)} before, ${round(now)} now (worse by ${Math.round((factor - 1) * 100)} %)`)
    }
    return worse.length === 0
  }

  async #stillWorse(suspects) {
    const names = [...new Set(suspects.map(({ key }) => key.split('/')[0]))]
    progress.heading(
      `bench: ${suspects.length} ratios are worse than the baseline; measuring ${names.join(', ')} again`,
    )
    const results = await this.#measure(names)
    const again = compareWithBaseline(Object.assign({}, ...results.map((result) => result.ratios)), this.#form())
    return again.compared.filter((each) => each.worse && suspects.some(({ key }) => key === each.key))
  }

  #form() {
    const { quick, steady } = this.#flags
    return { product: this.#broker.product, quick, steady }
  }

  #say(text) {
    if (this.#flags.json) console.error(text)
    else console.log(text)
  }

  #printTables(result) {
    const label = this.#broker.isEmulator ? ' (an emulator of a broker: its figures are its own)' : ''
    for (const each of result.tables) {
      console.log(table({ ...each, title: `${result.bench}: ${each.title}${label}` }))
    }
  }

  #printLines(result) {
    const { quick } = this.#flags
    for (const each of [...result.cases, ...result.bars]) {
      console.log(JSON.stringify({ ...each, quick, conditions: this.#conditions }))
    }
  }
}

function describe({ broker, cpu, cores, memoryGiB, platform, node, package: version }) {
  const host = `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${platform}`
  return `pooled-producer ${version}, Node ${node}, ${broker}; ${host}`
}
