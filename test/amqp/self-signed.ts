import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../../lib/testing/rabbitmq-install.ts'
import { type ConditionalTest, testThatNeeds } from '../support/needs.ts'

/** A test that needs a certificate of its own. */
export const tlsTest: ConditionalTest = testThatNeeds(
  'openssl',
  findProgram('openssl', process.env) !== undefined,
  'not in PATH',
)

/** A new key with a certificate for `localhost` that nobody else vouches for. */
export function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'self-signed-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    const request = ['req', '-x509', ...curve, '-nodes', '-days', '1', '-subj', '/CN=localhost']
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
