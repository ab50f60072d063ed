import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { poolOptions } from '../../lib/options.ts'
import { afterTest } from '../support/cleanup.ts'
import { startScript } from '../support/script.ts'

const SEED = 20_261_126
const SECRET = 'hunted-s3cret'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', '\0', 'a\r\nb', '\u001b[2J', '__proto__', 'constructor', 'é'.repeat(200), '%s%n', SECRET),
)
const anything = fc.anything({
  key: text,
  maxDepth: 3,
  maxKeys: 4,
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
})
const plausible = fc.oneof(text, fc.integer(), fc.double(), fc.boolean(), fc.constant(null), anything)
/** What must not be: an error without a name of ours, a secret that is shown. */
class Findings {
  readonly refused: Record<string, number> = {}
  readonly wrong: string[] = []

  /** Runs a case that must end by itself or in a named error. */
  run(what: () => void): void {
    try {
      what()
    } catch (error) {
      this.#refused(error)
    }
  }

  #refused(error: unknown): void {
    if (!(error instanceof PooledProducerError)) {
      this.wrong.push(`not ours: ${error instanceof Error ? error.stack : String(error)}`)
      return
    }
    this.refused[error.code] = (this.refused[error.code] ?? 0) + 1
    const cause = error.cause instanceof Error ? error.cause.message : ''
    if (`${error.message}${cause}${JSON.stringify(error)}`.includes(`:${SECRET}`))
      this.wrong.push(`shown: ${error.message}`)
  }
}

const OPTION_OF_POOL = [
  ...['broker', 'name', 'connections', 'minChannels', 'maxChannels', 'acquireTimeoutMs', 'maxWaiting', 'maxInFlight'],
  ...['confirmTimeoutMs', 'publishTimeoutMs', 'failFastAfterMs', 'maxBufferedBytes', 'maxMessageBytes', 'tls'],
  ...['credentials', 'fastPath', 'logger', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'bogus'],
]
const brokerUrl = fc.oneof(
  text.map((part) => `amqp://user:${SECRET}@${part}`),
  text.map((part) => `amqp://user:${SECRET}@host/${part}`),
  text.map((part) => `amqp://user:${SECRET}${part}@host:5672/vhost?${part}`),
  text.map((part) => `${part}://user:${SECRET}@host`),
  fc.tuple(text, text).map(([a, b]) => `amqps://${a}:${SECRET}@${b}:99/%2f?frameMax=${a}&heartbeat=${b}`),
  fc.webUrl().map((url) => url.replace(/^https?:\/\//, `amqp://user:${SECRET}@`)),
)

test('of 25,000 URLs and 25,000 sets of options each is taken or refused by name, and no password is shown', () => {
  const findings = new Findings()
  const shown: string[] = []
  for (const url of fc.sample(brokerUrl, { numRuns: 25_000, seed: SEED })) {
    findings.run(() => {
      const address = parseBrokerUrl(url)
      shown.push(`${address.display}${JSON.stringify(address)}`)
    })
  }
  const hostile = fc.dictionary(fc.constantFrom(...OPTION_OF_POOL), fc.oneof(plausible, brokerUrl), { maxKeys: 4 })
  for (const given of fc.sample(hostile, { numRuns: 25_000, seed: SEED })) {
    findings.run(() => {
      const { logger: _, name: __, ...effective } = poolOptions(given as never)
      shown.push(JSON.stringify(effective))
    })
  }

  process.stdout.write(`${JSON.stringify({ taken: shown.length, refused: findings.refused })}\n`)
  expect(findings.wrong.slice(0, 5)).toEqual([])
  expect(Object.keys(findings.refused)).toEqual(['ERR_INVALID_OPTION'])
  expect(shown.filter((line) => line.includes(`:${SECRET}`)).slice(0, 5)).toEqual([])
  expect(shown.length).toBeGreaterThan(5_000)
}, 120_000)

test('1,000 brokers that send broken frames end in named errors or confirms, and show no password', async () => {
  const script = startScript("await import('../faults/support/hostile-frames.ts')", {
    SEED: `${SEED}`,
    CASES: '1000',
    PASSWORD: SECRET,
  })
  afterTest(() => script.process.kill('SIGKILL'))
  let shown = ''
  script.process.stderr?.on('data', (bytes) => {
    shown += bytes
  })
  const report = await script.nextLine()
  process.stdout.write(`${report}\n`)

  expect(JSON.parse(report)).toMatchObject({ cases: 1_000, unsettled: 0, wrong: [], uncaught: [] })
  expect(await script.ended).toEqual({ code: 0, signal: null })
  expect(shown + report).not.toContain(SECRET)
}, 180_000)
