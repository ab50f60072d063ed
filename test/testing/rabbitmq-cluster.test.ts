import { expect, test } from '@jest/globals'
import { startRabbitmqCluster } from '../../lib/testing/rabbitmq-cluster.ts'

test.each([0, 1.5, Number.NaN, 33])('a cluster of %d nodes is refused before anything is started', async (size) => {
  await expect(startRabbitmqCluster(size)).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: `size must be an integer from 1 to 32, got ${size}`,
  })
})
