/** The load on an API server, in a process of its own: autocannon over connections that are kept. */
import autocannon from 'autocannon'
import { serve } from './serve.js'

serve({
  async load({ port, connections, seconds }) {
    const found = await autocannon({
      url: `http://127.0.0.1:${port}/tasks`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":2}',
      connections,
      duration: seconds,
    })
    return {
      requests: found['2xx'],
      refused: found.non2xx + found.errors + found.timeouts,
      rate: found['2xx'] / found.duration,
      p50Ms: found.latency.p50,
      p99Ms: found.latency.p99,
    }
  },
  close() {},
})
