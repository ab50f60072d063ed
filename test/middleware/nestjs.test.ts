import 'reflect-metadata'
import { expect, test } from '@jest/globals'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { Celery } from '../../lib/celery/celery.ts'
import { CELERY, CeleryModule } from '../../lib/middleware/nestjs.ts'
import { useBroker } from '../support/broker.ts'
import { failureOf } from '../support/failure.ts'
import { makePool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

test('an application has the app by its token, and closes its pool', async () => {
  class AppModule {}
  Module({ imports: [CeleryModule.forRoot({ broker: broker.url, logger: false })] })(AppModule)
  const application = await NestFactory.createApplicationContext(AppModule, { logger: false })
  const app = application.get<Celery>(CELERY)
  const queue = queues.name()

  const { taskId } = await app.sendTask('tasks.add', [2, 3], {}, { queue })
  await application.close()

  const [message] = await queues.take(queue, 1)
  expect(message?.properties.headers?.id).toBe(taskId)
  expect(app.pool.state).toBe('closed')
})

test('the options may come from another provider', async () => {
  const CONFIG = Symbol('config')
  class ConfigModule {}
  Module({ providers: [{ provide: CONFIG, useValue: { url: broker.url } }], exports: [CONFIG] })(ConfigModule)
  class AppModule {}
  const celery = CeleryModule.forRootAsync({
    imports: [ConfigModule],
    inject: [CONFIG],
    useFactory: async ({ url }: { url: string }) => ({ broker: url, logger: false, name: 'of the config' }),
  })
  Module({ imports: [celery] })(AppModule)
  const application = await NestFactory.createApplicationContext(AppModule, { logger: false })

  expect(application.get<Celery>(CELERY).pool.options.name).toBe('of the config')
  await application.close()
})

test('a pool that it was given stays open when the application closes, and whoever waits for a result is told', async () => {
  const pool = makePool({ broker: broker.url })
  class AppModule {}
  Module({ imports: [CeleryModule.forRoot({ pool, backend: 'rpc://' })] })(AppModule)
  const application = await NestFactory.createApplicationContext(AppModule, { logger: false })
  const result = await application.get<Celery>(CELERY).sendTask('tasks.add', [], {}, { queue: queues.name() })
  const waiting = failureOf(result.get())

  await application.close()

  expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect(pool.state).toBe('open')
  await expect(pool.ready()).resolves.toBeUndefined()
})
