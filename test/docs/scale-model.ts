/** What is known of a fleet of publishing processes, and of the broker below it. */
export interface Fleet {
  readonly servers: number
  readonly processesPerServer: number
  readonly tasksPerSecondPerProcess: number
}

/** What a model says of a fleet. */
export interface Load {
  readonly connections: number
  /** Channels when all is quiet, and at the most. */
  readonly channels: readonly [number, number]
  /** What those connections and channels take of the broker's memory at the most. */
  readonly brokerMiB: number
  readonly tasksPerSecond: number
  /** The share of what the broker can do. */
  readonly share: number
  /** Until the confirm; undefined where more comes in than goes out, and no time is enough. */
  readonly confirmMs: number | undefined
}

/** As docs/scale.md names them, with their sources. */
export const FIGURES = {
  connections: 1,
  minChannels: 1,
  maxChannels: 8,
  connectionKb: 76,
  channelKb: 24,
  aloneMs: 0.66,
  brokerTasksPerSecond: 15_300,
} as const

/** What a fleet asks of one broker. The wait is that of one server with a line before it (M/M/1). */
export function loadOf({ servers, processesPerServer, tasksPerSecondPerProcess }: Fleet): Load {
  const processes = servers * processesPerServer
  const connections = processes * FIGURES.connections
  const channels = [processes * FIGURES.minChannels, processes * FIGURES.maxChannels] as const
  const tasksPerSecond = processes * tasksPerSecondPerProcess
  const share = tasksPerSecond / FIGURES.brokerTasksPerSecond
  return {
    connections,
    channels,
    brokerMiB: ((connections * FIGURES.connectionKb + channels[1] * FIGURES.channelKb) * 1_000) / 2 ** 20,
    tasksPerSecond,
    share,
    confirmMs: share < 1 ? FIGURES.aloneMs / (1 - share) : undefined,
  }
}

/** What the load calls for. */
export function whatToAdd({ share }: Load): string {
  if (share < 0.5) return 'nothing'
  if (share < 0.8) return 'measure; plan a second queue'
  return `${Math.ceil(share / 0.7)} queues, on as many nodes`
}
