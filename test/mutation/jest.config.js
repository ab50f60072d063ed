import { readFileSync } from 'node:fs'

const { jest } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const { globalSetup, globalTeardown, ...settings } = jest

/** The tests that need neither a broker nor much time: each mutant is put before all of them that import its file. */
export default {
  ...settings,
  rootDir: '../..',
  testMatch: [
    '<rootDir>/test/amqp/{ack-reader,backoff,broker-url,channel-culprit,ledger,message,node-list,patient-timer,publish-template,send-buffer,time-limit}.test.ts',
    '<rootDir>/test/pool/{admission,channel-capacity,deadlines,nack-policy,publish-queue,resending}.test.ts',
  ],
  // A machine that runs mutants is busy.
  testTimeout: 30_000,
}
