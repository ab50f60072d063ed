import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What tells one private node from another. */
export interface NodeIdentity {
  readonly nodename: string
  readonly port: number
  readonly distributionPort: number
  readonly epmdPort: number
  /** More lines for `rabbitmq.conf`. */
  readonly config: readonly string[] | undefined
  /** Default: a random one. */
  readonly cookie: string | undefined
}

/**
 * Writes a node's configuration into its folder and gives the environment that keeps the node, and `rabbitmqctl`,
 * to that folder and to 127.0.0.1: nothing of a RabbitMQ that the system runs is read or touched.
 */
export function nodeEnvironment(folder: string, identity: NodeIdentity): NodeJS.ProcessEnv {
  const { nodename, port, distributionPort, epmdPort, config = [], cookie = randomCookie() } = identity
  const file = (name: string, lines: readonly string[], mode = 0o600): string => {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`, { mode })
    return path
  }
  file('.erlang.cookie', [cookie], 0o400)
  return {
    ...inheritedEnvironment(),
    HOME: folder,
    ERL_EPMD_PORT: `${epmdPort}`,
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_NODENAME: nodename,
    RABBITMQ_DIST_PORT: `${distributionPort}`,
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'rabbitmq.own-pid'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf', [
      `listeners.tcp.default = 127.0.0.1:${port}`,
      'log.console = true',
      'log.console.level = warning',
      ...config,
    ]),
    RABBITMQ_CONFIG_FILES: join(folder, 'conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('advanced.config', ['[].']),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', ['[].']),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The script then becomes the Erlang machine, so that its pid is the one to signal.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
}

/** An Erlang cookie: what nodes and tools of one cluster share, and nobody else knows. */
export function randomCookie(): string {
  return randomBytes(16).toString('hex').toUpperCase()
}

/** This process's environment without what a system's RabbitMQ or systemd may have put there. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean => /^(RABBITMQ_|ERL_|NOTIFY_SOCKET$|RUNNING_UNDER_SYSTEMD$)/.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)))
}
