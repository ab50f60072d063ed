import { accessSync, constants, existsSync, readdirSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'

/** Where RabbitMQ's programs are, and what they need in their environment. */
export interface RabbitmqInstall {
  /** The folder of `rabbitmq-server` and `rabbitmqctl`, runnable by any user. */
  readonly sbin: string
  readonly env: NodeJS.ProcessEnv
}

// Debian's own folder goes before PATH: the wrapper in /usr/sbin insists on root or the user rabbitmq.
const USUAL_FOLDERS = [
  '/usr/lib/rabbitmq/bin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/usr/local/opt/rabbitmq/sbin',
  '/opt/rabbitmq/sbin',
]

/** The RabbitMQ installed on this machine, if a private node of it can be started. */
export function installedRabbitmq(env: NodeJS.ProcessEnv = process.env): RabbitmqInstall | undefined {
  // The scripts need a shell, and the guard of their processes needs process groups.
  if (process.platform === 'win32' || findProgram('erl', env) === undefined) return undefined
  const named = env.RABBITMQ_HOME ? [join(env.RABBITMQ_HOME, 'sbin')] : []
  const versions = '/usr/lib/rabbitmq/lib'
  const unpacked = existsSync(versions) ? readdirSync(versions).map((name) => join(versions, name, 'sbin')) : []
  const sbin = [...named, ...USUAL_FOLDERS, ...unpacked, ...pathFolders(env)].find(isSbin)
  return sbin === undefined ? undefined : { sbin, env: {} }
}

/** The full path of a program that `PATH` leads to. */
export function findProgram(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return pathFolders(env)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/** The Erlang port mapper that belongs to the Erlang of `PATH`. */
export function findEpmd(env: NodeJS.ProcessEnv): string | undefined {
  const erl = findProgram('erl', env)
  const beside = erl === undefined ? undefined : join(dirname(realpathSync(erl)), 'epmd')
  return beside !== undefined && isExecutable(beside) ? beside : findProgram('epmd', env)
}

function isSbin(folder: string): boolean {
  const server = join(folder, 'rabbitmq-server')
  return (
    isExecutable(server) &&
    isExecutable(join(folder, 'rabbitmqctl')) &&
    basename(realpathSync(server)) !== 'rabbitmq-script-wrapper'
  )
}

function pathFolders(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
