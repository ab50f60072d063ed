import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A private key and its certificate, in PEM. */
export interface KeyPair {
  readonly key: Buffer
  readonly cert: Buffer
}

/** Whoever vouches for certificates. */
export interface Authority {
  readonly cert: Buffer
  /** A new key with a certificate for a host; with days below 0 it has expired. Default: `localhost`, for a day. */
  issue(options?: { host?: string; days?: number }): KeyPair
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** A new authority that nobody knows yet. */
export function newAuthority(): Authority {
  const own = inFolder((at, openssl) => {
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-days',
      '1',
      '-subj',
      '/CN=an authority',
      '-keyout',
      at('key'),
      '-out',
      at('cert'),
    )
    return { key: readFileSync(at('key')), cert: readFileSync(at('cert')) }
  })
  return {
    cert: own.cert,
    issue: ({ host = 'localhost', days = 1 } = {}) =>
      inFolder((at, openssl) => {
        writeFileSync(at('authority-key'), own.key)
        writeFileSync(at('authority'), own.cert)
        const request = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
        openssl('req', '-new', ...NEW_KEY, ...request, '-keyout', at('key'), '-out', at('request'))
        const signers = ['-CA', at('authority'), '-CAkey', at('authority-key'), '-CAcreateserial']
        const what = ['-in', at('request'), '-out', at('cert'), '-days', `${days}`, '-copy_extensions', 'copy']
        openssl('x509', '-req', ...signers, ...what)
        return { key: readFileSync(at('key')), cert: readFileSync(at('cert')) }
      }),
  }
}

type At = (name: string) => string
type OpenSsl = (...args: string[]) => void

function inFolder<T>(run: (at: At, openssl: OpenSsl) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  try {
    return run(
      (name) => join(folder, `${name}.pem`),
      (...args) => execFileSync('openssl', args, { stdio: 'ignore' }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}
