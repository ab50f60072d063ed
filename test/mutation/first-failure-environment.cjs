const { TestEnvironment } = require('jest-environment-node')

const without = process.env.MUTATION_WITHOUT ? new RegExp(process.env.MUTATION_WITHOUT) : undefined
let noticed

/** Skips what is left to run once a test has noticed the change: jest itself would run all tests of its files. */
module.exports = class FirstFailureEnvironment extends TestEnvironment {
  handleTestEvent({ name, test }) {
    // Stryker's own variable; unset while the tests run without a change.
    const change = process.env.__STRYKER_ACTIVE_MUTANT__
    if (name === 'test_fn_failure' || name === 'hook_failure') noticed = change
    if (name !== 'test_start') return
    if (without?.test(test.name) || (change !== undefined && noticed === change)) test.mode = 'skip'
  }
}
