import { expect, test } from '@jest/globals'
import { ID_SLOT, steadySlot, textSlot } from '../../lib/amqp/template-fields.ts'

test('a slot knows which value fills it, and whether many messages on end have that in common', () => {
  expect(ID_SLOT).toMatchObject({ value: 0, isSteady: false })
  expect(textSlot(1)).toMatchObject({ value: 1, isSteady: false })
  expect(steadySlot(2)).toMatchObject({ value: 2, isSteady: true })
})
