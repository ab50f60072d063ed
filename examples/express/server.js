// An Express server that sends a Celery task for each order: node examples/express/server.js
import express from 'express'
import { createCelery } from 'pooled-producer'
import { celeryFailures, celeryHealth, celeryRequests, shutDownOnSignal } from 'pooled-producer/express'

// The broker is $AMQP_URL, or the one of this machine. The server starts without it, and says so at /health.
const app = createCelery({ publishTimeoutMs: 5_000 })
const sendMail = app.createTask('mail.send', { queue: process.env.QUEUE ?? 'mail', expires: 3_600 })

const server = express()
server.get('/health', celeryHealth(app))
server.use(express.json(), celeryRequests(app))

server.post('/orders', async (req, res) => {
  // Resolves once RabbitMQ has the task. When it cannot, celeryFailures() replies 503 with Retry-After.
  const { taskId } = await req.celery.delay(sendMail, req.body.email, 'Thank you!')
  res.status(202).json({ taskId })
})

server.use(celeryFailures())

const listening = server.listen(Number(process.env.PORT ?? 3_000), '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: `Server listening at http://127.0.0.1:${listening.address().port}` }))
})
shutDownOnSignal(listening, app)
