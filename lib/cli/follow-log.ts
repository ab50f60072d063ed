import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isPacked } from './line-reader.ts'

const POLL_MS = 200
const CHUNK_BYTES = 64 * 2 ** 10
/** As for a log that is read once: a longer line is cut. */
const MAX_LINE = 2 ** 20

/**
 * Calls `onLine` for each line of a file, those that it has and those that are written to it, until the signal is
 * aborted; those that were written before that are read to the last. A file that is rotated (another takes its name) or
 * cut to nothing is read on from the begin of the new one; one that is not there yet is waited for. It asks every 200 ms,
 * which works on every file system and over a network.
 *
 * @throws what reading the file throws, but for its absence; and an error for a file that is packed with gzip, to which
 *   nothing is added.
 */
export async function followLog(path: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  let file: OpenLog | undefined
  try {
    for (;;) {
      // What was written since the last look is read before the end.
      const isLast = signal.aborted
      file ??= await OpenLog.open(path)
      await file?.read(onLine)
      if (file !== undefined && (await file.isReplaced(path))) {
        // What was written between the last look and the change is in the old file.
        await file.read(onLine)
        await file.close()
        file = undefined
        continue
      }
      if (isLast) return
      await delay(POLL_MS, undefined, { signal }).catch(ignore)
    }
  } finally {
    await file?.close()
  }
}

/** A file, and how far it was read. */
class OpenLog {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #inode: bigint
  readonly #decoder = new TextDecoder()
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #position = 0
  #rest = ''

  private constructor(path: string, handle: FileHandle, inode: bigint) {
    this.#path = path
    this.#handle = handle
    this.#inode = inode
  }

  /** Nothing when there is no such file. */
  static async open(path: string): Promise<OpenLog | undefined> {
    try {
      const handle = await open(path)
      return new OpenLog(path, handle, (await handle.stat({ bigint: true })).ino)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  async read(onLine: (line: string) => void): Promise<void> {
    for (;;) {
      const { bytesRead } = await this.#handle.read(this.#chunk, 0, CHUNK_BYTES, this.#position)
      if (bytesRead === 0) return
      if (this.#position === 0 && isPacked(this.#chunk.subarray(0, bytesRead))) throw packed(this.#path)
      this.#position += bytesRead
      const text = this.#rest + this.#decoder.decode(this.#chunk.subarray(0, bytesRead), { stream: true })
      const lines = text.split('\n')
      this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE)
      for (const line of lines) onLine(line)
    }
  }

  /** Whether another file has its name now, or it was cut. */
  async isReplaced(path: string): Promise<boolean> {
    try {
      const { ino, size } = await stat(path, { bigint: true })
      return ino !== this.#inode || size < this.#position
    } catch {
      return true
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

function packed(path: string): Error {
  return new Error(`${path} is packed with gzip, and does not grow: leave --follow out`)
}

function ignore(): void {}
