/** What is asked of a Redis, whichever client speaks to it. */
export interface RedisStore {
  get(key: string): Promise<string | null>
  delete(key: string): Promise<unknown>
  /** Sets a value that Redis forgets after so many seconds, and publishes it under its key. */
  setAndPublish(key: string, seconds: number, value: string): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  /** Ends the connections that were made here. */
  close(): void
}

/** Who is told what comes. None of these may throw. */
export interface StoreOwner {
  message(channel: string, text: string): void
  /** The connection for messages is open, or is open again: some may have been missed. */
  ready(): void
  failed(error: Error): void
  /** Nobody asks any more: what is still connecting is to end. */
  readonly ended: AbortSignal
}

/** Where the Redis is: its URL, or a client that is connected to it. */
export type RedisPlace = string | GivenClient

/** A client of `redis` (5 or later) or `ioredis`, as far as it is used here. */
export interface GivenClient {
  duplicate(): GivenClient
  connect(): Promise<unknown>
  on(event: string, listener: (...args: never[]) => void): unknown
  get(key: string): Promise<string | null>
  del(key: string): Promise<unknown>
  subscribe(channel: string, listener?: (message: string, channel: string) => void): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  multi(): Transaction
  /** Of `redis`. */
  readonly isReady?: boolean
  readonly isOpen?: boolean
  destroy?(): void
  /** Of `ioredis`. */
  disconnect?(): void
}

interface Transaction {
  setEx?(key: string, seconds: number, value: string): Transaction
  setex?(key: string, seconds: number, value: string): Transaction
  publish(channel: string, message: string): Transaction
  exec(): Promise<unknown>
}

/** Through the package `redis`. */
export async function nodeRedisStore(client: GivenClient, owner: StoreOwner, isOwn: boolean): Promise<RedisStore> {
  const subscriber = await connected(client, owner, isOwn)
  return {
    ...commands(client, (transaction, ...value) => transaction.setEx?.(...value) as Transaction),
    subscribe: (channel) => subscriber.subscribe(channel, (text, from) => owner.message(from, text)),
    unsubscribe: (channel) => subscriber.unsubscribe(channel),
    close() {
      subscriber.destroy?.()
      if (isOwn) client.destroy?.()
    },
  }
}

/** Through the package `ioredis`. */
export async function ioredisStore(client: GivenClient, owner: StoreOwner, isOwn: boolean): Promise<RedisStore> {
  const subscriber = await connected(client, owner, isOwn)
  subscriber.on('message', (channel: string, text: string) => owner.message(channel, text))
  return {
    ...commands(client, (transaction, ...value) => transaction.setex?.(...value) as Transaction),
    subscribe: (channel) => subscriber.subscribe(channel),
    unsubscribe: (channel) => subscriber.unsubscribe(channel),
    close() {
      subscriber.disconnect?.()
      if (isOwn) client.disconnect?.()
    },
  }
}

/** A connection for messages beside that for commands. Both come back by themselves when they are lost. */
async function connected(client: GivenClient, owner: StoreOwner, isOwn: boolean): Promise<GivenClient> {
  const subscriber = client.duplicate()
  // Without a listener an error would end the process.
  for (const each of isOwn ? [client, subscriber] : [subscriber])
    each.on('error', (error: Error) => owner.failed(error))
  subscriber.on('ready', () => owner.ready())
  const opened = isOwn ? [client, subscriber] : [subscriber]
  // A client whose Redis is away tries for ever.
  const end = () => {
    for (const each of opened) {
      if (each.destroy === undefined) each.disconnect?.()
      // A client of `redis` that is not open throws.
      else if (each.isOpen) each.destroy()
    }
  }
  owner.ended.addEventListener('abort', end)
  try {
    // It may have ended while a package was being loaded, and tells nobody a second time.
    owner.ended.throwIfAborted()
    await Promise.all(opened.map((each) => open(each)))
    return subscriber
  } catch (error) {
    end()
    throw error
  } finally {
    owner.ended.removeEventListener('abort', end)
  }
}

/** A copy of an ioredis client that does not wait to be told connects by itself. */
async function open(client: GivenClient): Promise<void> {
  const { status } = client as { status?: string }
  if (status === undefined || status === 'wait') await client.connect()
}

function commands(
  client: GivenClient,
  set: (transaction: Transaction, key: string, seconds: number, value: string) => Transaction,
): Pick<RedisStore, 'get' | 'delete' | 'setAndPublish'> {
  return {
    get: (key) => client.get(key),
    delete: (key) => client.del(key),
    setAndPublish: (key, seconds, value) => set(client.multi(), key, seconds, value).publish(key, value).exec(),
  }
}
