import { readFileSync } from 'node:fs'

const { jest } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

/** As for the other tests, but for where they are, how long they may take, and the line that says what ran. */
export default {
  ...jest,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/faults/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 60_000,
  // Each file starts nodes of its own, and two cores take no more at once.
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/faults/support/rows-reporter.js'],
}
