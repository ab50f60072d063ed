import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const { jest } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
// The broker of the whole run is started once, not for each change.
const { globalSetup, globalTeardown, ...settings } = jest

/** The tests that judge one source, as the run names them. */
export default {
  ...settings,
  rootDir: '../..',
  testMatch: process.env.MUTATION_TESTS.split(' ').map((test) => `<rootDir>/test/${test}.test.ts`),
  testEnvironment: fileURLToPath(new URL('first-failure-environment.cjs', import.meta.url)),
  setupFiles: ['<rootDir>/test/mutation/no-shrinking.js'],
  // What a change hangs would take as long as its test may take.
  testTimeout: 5_000,
}
