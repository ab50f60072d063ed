import type { DynamicModule, ModuleMetadata } from '@nestjs/common'
import { type Celery, createCelery } from '../celery/celery.ts'
import type { CeleryOptions } from '../celery/celery-options.ts'
import { closeApp } from './request/closed-app.ts'

export { type PoolHealth, poolHealth } from './request/pool-health.ts'
export { type RequestFailure, requestFailure } from './request/request-failure.ts'

/** What `@Inject(CELERY)` gives: the app. */
export const CELERY: unique symbol = Symbol('pooled-producer')

/** What {@link CeleryModule.forRootAsync} takes. */
export interface CeleryModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Makes the options, from what is injected. */
  readonly useFactory: (...injected: never[]) => CeleryOptions | Promise<CeleryOptions>
  readonly inject?: readonly unknown[]
}

/**
 * The Celery producer as a global module of NestJS. Its pool connects when the module is made, and closes with the
 * application, for which `app.enableShutdownHooks()` must be on if signals are to end it in order. A pool that is among
 * the options is left open: the application's end waits for the confirms of what it has accepted, and no more.
 *
 * @example
 * @Module({ imports: [CeleryModule.forRoot({ broker: 'amqp://127.0.0.1' })] })
 * class AppModule {}
 *
 * @Controller()
 * class Sums {
 *   constructor(@Inject(CELERY) private readonly celery: Celery) {}
 * }
 */
// biome-ignore lint/complexity/noStaticOnlyClass: NestJS takes a class for a module.
export class CeleryModule {
  /** @throws {PooledProducerError} ERR_INVALID_OPTION when the application starts. */
  static forRoot(options: CeleryOptions = {}): DynamicModule {
    return CeleryModule.forRootAsync({ useFactory: () => options })
  }

  /** With options from other providers, such as those of `@nestjs/config`. */
  static forRootAsync({ imports = [], inject = [], useFactory }: CeleryModuleAsyncOptions): DynamicModule {
    return {
      module: CeleryModule,
      global: true,
      imports,
      providers: [
        {
          provide: CELERY,
          inject: inject as never[],
          useFactory: async (...injected: never[]) => createCelery(await useFactory(...injected)),
        },
        {
          provide: SHUTDOWN,
          inject: [CELERY],
          useFactory: (app: Celery) => ({ onApplicationShutdown: () => closeApp(app, undefined, undefined) }),
        },
      ],
      exports: [CELERY],
    }
  }
}

/** NestJS calls the hooks of its providers. */
const SHUTDOWN = Symbol('pooled-producer shutdown')
