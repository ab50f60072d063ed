/** Which tests judge the changes of a source. */
export interface Judges {
  /** Test files; only those of them that reach a change are asked about it. */
  readonly tests: readonly string[]
  /** The names of tests in them that take seconds, and are not asked. */
  readonly without?: RegExp
}

const ANSWERS: Judges = {
  tests: ['amqp/confirm-channel-answers'],
  without: /a close that the broker does not answer|a close that a blocked broker does not answer/,
}

/** What can be changed, and who judges it; those that need a broker share one. */
export const JUDGES: Readonly<Record<string, Judges>> = {
  'amqp/ack-reader': { tests: ['amqp/ack-reader'] },
  'amqp/amqplib-internals': { tests: ['amqp/amqplib-internals'] },
  'amqp/backoff': { tests: ['amqp/backoff'] },
  'amqp/broker-url': { tests: ['amqp/broker-url'] },
  'amqp/byte-writer': { tests: ['amqp/publish-template'] },
  'amqp/channel-culprit': { tests: ['amqp/channel-culprit'] },
  'amqp/channel-errors': { tests: ['amqp/channel-errors'] },
  'amqp/confirm-clock': { tests: ['amqp/confirm-clock'] },
  'amqp/connect-attempt': { tests: ['amqp/connect-attempt'] },
  'amqp/connect-error': { tests: ['amqp/connect-error'] },
  'amqp/connection-state': { tests: ['amqp/connection-state'] },
  'amqp/constant-frames': { tests: ['amqp/publish-template'] },
  'amqp/field-table': { tests: ['amqp/field-table', 'amqp/publish-template'] },
  'amqp/handshake-guard': { tests: ['amqp/handshake-guard'] },
  'amqp/header-rules': { tests: ['amqp/message'] },
  'amqp/ledger': { tests: ['amqp/ledger'] },
  'amqp/message': { tests: ['amqp/message'] },
  'amqp/message-writer': ANSWERS,
  'amqp/node-list': { tests: ['amqp/node-list'] },
  'amqp/opened-channel': { tests: ['amqp/opened-channel'] },
  'amqp/patient-timer': { tests: ['amqp/patient-timer'] },
  'amqp/plain-connection': { tests: ['amqp/plain-connection'] },
  'amqp/publish-template': { tests: ['amqp/publish-template'] },
  'amqp/returned-message': { tests: ['amqp/returned-message'] },
  'amqp/send-buffer': { tests: ['amqp/send-buffer'] },
  'amqp/slab': { tests: ['amqp/send-buffer', 'amqp/publish-template'] },
  'amqp/template-fields': { tests: ['amqp/template-fields'] },
  'amqp/time-limit': { tests: ['amqp/time-limit'] },
  'pool/abort-watch': { tests: ['pool/abort-watch'] },
  'pool/admission': { tests: ['pool/admission'] },
  'pool/channel-capacity': { tests: ['pool/channel-capacity'] },
  'pool/channel-factory': { tests: ['pool/channel-pool', 'pool/producer-pool'] },
  'pool/channel-pool': { tests: ['pool/channel-pool', 'pool/leases'] },
  'pool/connection-set': { tests: ['pool/producer-pool', 'pool/lost-connection'] },
  'pool/deadlines': { tests: ['pool/deadlines'] },
  'pool/declarations': { tests: ['pool/declarations'], without: /does not answer after a reconnect/ },
  'pool/dispatcher': { tests: ['pool/dispatcher-turns'] },
  'pool/doubt': { tests: ['pool/doubt'] },
  'pool/leases': { tests: ['pool/lease-line', 'pool/leases'] },
  'pool/nack-policy': { tests: ['pool/nack-policy'] },
  'pool/parking': { tests: ['pool/parking'] },
  'pool/pending-publish': { tests: ['pool/pending-publish'] },
  'pool/pool-events': { tests: ['pool/pool-events'] },
  'pool/pool-parts': { tests: ['pool/pool-parts', 'pool/pool-calls'] },
  'pool/producer': { tests: ['pool/leased-producer'] },
  'pool/producer-pool': { tests: ['pool/pool-calls', 'pool/pool-parts'] },
  'pool/publish-log': { tests: ['pool/publish-log'] },
  'pool/publish-queue': { tests: ['pool/publish-queue'] },
  'pool/resending': { tests: ['pool/resending'] },
  'pool/settlement': { tests: ['pool/settlement'] },
  'pool/shutdown': { tests: ['pool/shutdown'] },
  'pool/stats': { tests: ['pool/stats'] },
  'pool/subscription': { tests: ['pool/subscription-attempts'] },
  'pool/subscriptions': { tests: ['pool/subscription'], without: /out of memory/ },
  'pool/suspects': { tests: ['pool/suspects'] },
  'pool/use-lease': { tests: ['pool/use-lease', 'pool/leases'] },
}
