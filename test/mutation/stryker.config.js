/** What changes one source and runs its judges; both are named by the run. */
export default {
  packageManager: 'npm',
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: { projectType: 'custom', configFile: 'test/mutation/jest.config.js', enableFindRelatedTests: false },
  mutate: [process.env.MUTATION_SOURCE],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 10_000,
  timeoutFactor: 3,
  ignorePatterns: ['dist', 'bench', 'coverage', 'test/mutation/node_modules', 'reports'],
  reporters: ['progress-append-only', 'clear-text', 'json'],
  jsonReporter: { fileName: process.env.MUTATION_REPORT },
  clearTextReporter: { logTests: false, allowColor: false },
  allowConsoleColors: false,
  checkers: [],
  tempDirName: '.stryker-tmp',
  // TypeScript 7 has no API that Stryker could read one with.
  tsconfigFile: 'none',
  disableTypeChecks: true,
}
