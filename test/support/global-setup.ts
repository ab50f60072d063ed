import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Broker, startBroker } from '../../lib/testing/index.ts'
import { BROKER_DESK, type BrokerDescription } from './broker-desk.ts'

/** What the global tear-down ends. */
export interface TestRun {
  readonly close: () => Promise<void>
}

/**
 * One broker for the whole run, as a RabbitMQ takes 5 s to start, and none when no test file asks for it: the test
 * files run in processes of their own and ask over HTTP.
 */
export default async function setUp(): Promise<void> {
  let starting: Promise<Broker> | undefined
  const desk = createServer((_request, response) => {
    starting ??= startBroker()
    starting.then(
      (broker) => response.end(JSON.stringify(description(broker))),
      (error: Error) => response.writeHead(503).end(error.message),
    )
  })
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve))
  desk.unref()
  process.env[BROKER_DESK] = `http://127.0.0.1:${(desk.address() as AddressInfo).port}`

  const close = async (): Promise<void> => {
    desk.closeAllConnections()
    desk.close()
    const broker = await starting?.catch(() => undefined)
    await broker?.stop()
  }
  ;(globalThis as { testRun?: TestRun }).testRun = { close }
}

function description({ url, kind, product, version, node }: Broker): BrokerDescription {
  return { url, kind, product, version, ...(node === undefined ? {} : { ctl: node.ctlCommand }) }
}
