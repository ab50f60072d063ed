/** `pooled-producer/testing`: a broker to test against and the means to break it, and an app that needs none. */

export type { LocalTask, TaskHandler } from '../celery/local-pool.ts'
export type { Broker, BrokerKind, BrokerOptions } from './broker.ts'
export { startBroker } from './broker.ts'
export type { FaultProxy, FaultProxyOptions, ProxyMode, ProxySettings } from './fault-proxy.ts'
export { startFaultProxy } from './fault-proxy.ts'
export type { RabbitmqCluster } from './rabbitmq-cluster.ts'
export { startRabbitmqCluster } from './rabbitmq-cluster.ts'
export type { Command, RabbitmqNode, RabbitmqNodeOptions } from './rabbitmq-node.ts'
export { startRabbitmqNode } from './rabbitmq-node.ts'
export { createTestCelery, type RecordedCelery } from './recorded-celery.ts'
