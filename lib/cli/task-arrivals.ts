/** The name of the task that is sent. */
export const TASK_NAME = 'demo.add'

/** A message as it was consumed. */
export interface ArrivedMessage {
  readonly content: Buffer
  readonly properties: {
    readonly headers?: Readonly<Record<string, unknown>> | undefined
    readonly contentType?: unknown
    readonly contentEncoding?: unknown
    readonly correlationId?: unknown
    readonly deliveryMode?: unknown
  }
}

/** The arguments of the task with this number. */
export function argsOf(index: number): [number, number] {
  return [index, index + 1]
}

/** Holds what was sent against what arrives: each task once, persistent, with just the arguments of its number. */
export class TaskArrivals {
  readonly #numberOf: ReadonlyMap<string, number>
  readonly #arrived = new Set<string>()
  #altered = 0
  #surplus = 0

  /** @param ids the id of each task that was sent, by its number. */
  constructor(ids: readonly string[]) {
    this.#numberOf = new Map(ids.map((id, index) => [id, index]))
  }

  add(message: ArrivedMessage): void {
    const id = message.properties.headers?.id
    const index = typeof id === 'string' ? this.#numberOf.get(id) : undefined
    if (index === undefined || this.#arrived.has(id as string)) this.#surplus++
    else if (isAsSent(message, id as string, index)) this.#arrived.add(id as string)
    else this.#altered++
  }

  /** Counts messages that were left in the queue when every task had arrived. */
  addSurplus(count: number): void {
    this.#surplus += count
  }

  /** Whether nothing more is expected. */
  get isComplete(): boolean {
    return this.#arrived.size + this.#altered >= this.#numberOf.size
  }

  /** Tasks that did not arrive as they were sent. */
  get lost(): number {
    return this.#numberOf.size - this.#arrived.size
  }

  /** Those of the lost that arrived as something else. */
  get altered(): number {
    return this.#altered
  }

  /** Messages beyond one for each task. */
  get duplicated(): number {
    return this.#surplus
  }
}

function isAsSent({ content, properties }: ArrivedMessage, id: string, index: number): boolean {
  const { headers, contentType, contentEncoding, correlationId, deliveryMode } = properties
  return (
    headers?.task === TASK_NAME &&
    correlationId === id &&
    contentType === 'application/json' &&
    contentEncoding === 'utf-8' &&
    deliveryMode === 2 &&
    isBodyOf(index, content)
  )
}

function isBodyOf(index: number, content: Buffer): boolean {
  try {
    const body: unknown = JSON.parse(content.toString())
    if (!Array.isArray(body) || body.length !== 3) return false
    return JSON.stringify(body.slice(0, 2)) === JSON.stringify([argsOf(index), {}])
  } catch {
    return false
  }
}
