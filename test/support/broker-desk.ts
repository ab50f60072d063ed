import type { BrokerKind, Command } from '../../lib/testing/index.ts'

/** The environment variable that names where test files ask for the run's broker. */
export const BROKER_DESK = 'TEST_BROKER_DESK'

/** The run's broker, as it is told to test files. */
export interface BrokerDescription {
  readonly url: string
  readonly kind: BrokerKind
  readonly product: string
  readonly version: string
  /** What runs `rabbitmqctl` against the broker; absent when it is not a node that this run started. */
  readonly ctl?: Command
}

/** Asks for the run's broker, which is started for the first to ask. */
export async function askForBroker(): Promise<BrokerDescription> {
  const desk = process.env[BROKER_DESK]
  if (desk === undefined) throw new Error("there is no broker: jest must run with this package's globalSetup")
  // Kept alive, the desk might close the connection in the moment in which the next file asks.
  const answer = await fetch(desk, { headers: { connection: 'close' } })
  if (!answer.ok) throw new Error(`there is no broker: ${await answer.text()}`)
  return (await answer.json()) as BrokerDescription
}
