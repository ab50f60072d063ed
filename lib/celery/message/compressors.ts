import zlib from 'node:zlib'
import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'

/** Makes a body smaller, and says for the worker how. */
export interface Compressor {
  /** The header `compression`, by which the worker finds what undoes it. */
  readonly contentType: string
  compress(body: Buffer): Uint8Array
}

/**
 * What kombu calls gzip is zlib's format, not gzip's: a worker acks a gzip body, fails to read it and loses
 * the task. Source: `kombu/compression.py`.
 */
const ZLIB: Compressor = Object.freeze({
  contentType: 'application/x-gzip',
  compress: (body: Buffer) => zlib.deflateSync(body),
})
const BROTLI: Compressor = Object.freeze({
  contentType: 'application/x-brotli',
  compress: (body: Buffer) => zlib.brotliCompressSync(body),
})
/** In Node from 22.15 on. */
const zstd = (zlib as { zstdCompressSync?: (body: Buffer) => Buffer }).zstdCompressSync

/** By kombu's names and aliases. */
const BUILT_IN: readonly (readonly [string, Compressor])[] = [
  ['gzip', ZLIB],
  ['zlib', ZLIB],
  ['brotli', BROTLI],
  ...(zstd === undefined ? [] : zstdNames(zstd)),
]

/** What kombu has and this Node has not, by the names that a compressor of the app's own may take. */
const MISSING: Readonly<Record<string, string>> = {
  bzip2: 'bzip2',
  bzip: 'bzip2',
  lzma: 'lzma',
  xz: 'lzma',
  zstd: 'zstd',
  zstandard: 'zstd',
}

/** The compressors of an app, by kombu's names or the content types that the worker sees. */
export class Compressors {
  readonly #known: Map<string, Compressor>

  /** @param own the app's own, by name. */
  constructor(own: Readonly<Record<string, Compressor>> = {}) {
    this.#known = new Map([...BUILT_IN, ...Object.entries(own)])
    for (const compressor of [...this.#known.values()]) this.#known.set(compressor.contentType, compressor)
  }

  /**
   * The compressor of this name.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names those that there are.
   */
  get(name: string): Compressor {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const names = [...this.#known.keys()].filter((each) => !each.includes('/'))
    const missing = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined
    if (missing !== undefined) throw invalid(`${name}: this Node has no ${missing}; there are ${names.join(', ')}`)
    const near = closestName(name, names)
    const hint = near === undefined ? `known are ${names.join(', ')}` : `did you mean ${near}?`
    throw invalid(`${name} is not a compression; ${hint}`)
  }
}

/**
 * A body, smaller.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK when the compressor fails or gives no bytes.
 */
export function compressed(compressor: Compressor, body: string | Buffer): Buffer {
  let bytes: unknown
  try {
    bytes = compressor.compress(typeof body === 'string' ? Buffer.from(body) : body)
  } catch (cause) {
    throw invalid(`the compressor of ${compressor.contentType} failed`, cause)
  }
  if (bytes instanceof Uint8Array) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  throw invalid(`the compressor of ${compressor.contentType} must give a Uint8Array, and gave a ${typeof bytes}`)
}

/** The fault of an app's own compressor; undefined: there is none. */
export function compressorFault(compressor: unknown): string | undefined {
  if (!isPlainObject(compressor)) return 'must be an object with contentType and compress'
  const { contentType, compress } = compressor
  if (typeof contentType !== 'string' || contentType === '') return 'needs a contentType, as the worker knows it'
  return typeof compress === 'function' ? undefined : 'needs a function compress'
}

function zstdNames(compress: (body: Buffer) => Buffer): (readonly [string, Compressor])[] {
  const compressor = Object.freeze({ contentType: 'application/zstd', compress })
  return [
    ['zstd', compressor],
    ['zstandard', compressor],
  ]
}

function invalid(message: string, cause?: unknown): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent', cause })
}
