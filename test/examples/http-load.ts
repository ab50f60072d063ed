import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const REFUSED_PAUSE_MS = 50

/** One reply, or the fault that came in its place. */
export interface Reply {
  readonly status: number | string
  readonly retryAfter: string | undefined
  readonly body: string
  readonly tookMs: number
}

/** Orders that are posted over so many connections, each as soon as the one before has its reply. */
export class HttpLoad {
  readonly replies: Reply[] = []
  readonly #agent: Agent
  readonly #url: string
  #isOver = false

  constructor(url: string, connections: number) {
    this.#url = url
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Posts orders until it is told to stop, so many at a time; resolves when each has its reply. */
  async run(lanes: number): Promise<void> {
    let sent = 0
    const lane = async () => {
      while (!this.#isOver) {
        sent++
        const reply = await this.post('/orders', { email: `${sent}@example.org` })
        this.replies.push(reply)
        // Who is told to come later does, and leaves the machine to the broker that starts.
        if (reply.status === 503) await delay(REFUSED_PAUSE_MS)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
  }

  stop(): void {
    this.#isOver = true
  }

  /** Never rejects: a request that gets no reply has the fault's code for a status. */
  post(path: string, content?: object): Promise<Reply> {
    const begun = performance.now()
    return new Promise((resolve) => {
      const done = (status: number | string, retryAfter?: string, body = '') =>
        resolve({ status, retryAfter, body, tookMs: performance.now() - begun })
      const method = content === undefined ? 'GET' : 'POST'
      const headers = { 'content-type': 'application/json' }
      const call = request(`${this.#url}${path}`, { agent: this.#agent, method, headers }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text) => {
          body += text
        })
        response.once('end', () => done(response.statusCode as number, response.headers['retry-after'], body))
        response.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
      })
      call.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
      call.end(content === undefined ? undefined : JSON.stringify(content))
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
