// A NestJS server that sends a Celery task for each order.
import 'reflect-metadata'
import {
  type ArgumentsHost,
  Body,
  Catch,
  Controller,
  Get,
  HttpCode,
  Inject,
  Module,
  Post,
  ServiceUnavailableException,
} from '@nestjs/common'
import { BaseExceptionFilter, HttpAdapterHost, NestFactory } from '@nestjs/core'
import type { Celery } from 'pooled-producer'
import { CELERY, CeleryModule, poolHealth, requestFailure } from 'pooled-producer/nestjs'

@Controller()
class Orders {
  readonly #celery: Celery
  readonly #queue = process.env.QUEUE ?? 'mail'

  constructor(@Inject(CELERY) celery: Celery) {
    this.#celery = celery
  }

  @Post('orders')
  @HttpCode(202)
  async create(@Body('email') email: string): Promise<{ taskId: string }> {
    // Resolves once RabbitMQ has the task. When it cannot, the filter below replies 503 with Retry-After.
    const { taskId } = await this.#celery.sendTask('mail.send', [email, 'Thank you!'], {}, { queue: this.#queue })
    return { taskId }
  }

  @Get('health')
  health(): object {
    const health = poolHealth(this.#celery.pool)
    if (health.status !== 'up') throw new ServiceUnavailableException(health)
    return health
  }
}

@Catch()
class CeleryFailures extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    const failure = requestFailure(error)
    if (failure === undefined) return super.catch(error, host)
    const { code, message } = error as { code: string; message: string }
    host.switchToHttp().getResponse().status(failure.statusCode).set(failure.headers).json({ code, message })
  }
}

// The broker is $AMQP_URL, or the one of this machine.
@Module({ imports: [CeleryModule.forRoot({ publishTimeoutMs: 5_000 })], controllers: [Orders] })
class AppModule {}

const server = await NestFactory.create(AppModule, { logger: false })
server.useGlobalFilters(new CeleryFailures(server.get(HttpAdapterHost).httpAdapter))
server.enableShutdownHooks()
await server.listen(Number(process.env.PORT ?? 3_000), '127.0.0.1')
console.log(JSON.stringify({ msg: `Server listening at ${await server.getUrl()}` }))
