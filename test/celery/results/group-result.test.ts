import { expect, test } from '@jest/globals'
import { AsyncResult } from '../../../lib/celery/results/async-result.ts'
import { GroupResult } from '../../../lib/celery/results/group-result.ts'
import { PooledProducerError } from '../../../lib/errors.ts'

test('revoking a group revokes each of its tasks, those of groups within it too', async () => {
  const revoked: [string, object | undefined][] = []
  const revoker = { revoke: async (taskId: string, options?: object) => void revoked.push([taskId, options]) }
  const member = (taskId: string) => new AsyncResult(taskId, undefined, undefined, revoker)
  const group = new GroupResult('g', [member('a'), new GroupResult('h', [member('b'), member('c')])])

  await group.revoke({ terminate: true })

  expect(revoked.map(([taskId]) => taskId)).toEqual(['a', 'b', 'c'])
  expect(revoked.every(([, options]) => (options as { terminate?: boolean }).terminate)).toBe(true)
})

test('a task that cannot be revoked makes the revoking of its group fail, and not the process', async () => {
  const error = new PooledProducerError('ERR_POOL_CLOSED', 'the pool is closed')
  const revoker = { revoke: async () => Promise.reject(error) }
  const group = new GroupResult('g', [new AsyncResult('a', undefined, undefined, revoker)])

  await expect(group.revoke()).rejects.toBe(error)
})
