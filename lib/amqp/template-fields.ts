import type { MessageProperties } from './message.ts'

/**
 * A place in a template's headers (or in its correlation id) that each message fills with a string of
 * its own. The id slot holds the 36 ASCII characters of a UUID; a text slot holds any string.
 */
export class Slot {
  /** Which of a message's values fills it. */
  readonly value: number
  /** Whether many messages on end have the same. */
  readonly isSteady: boolean

  constructor(value: number, isSteady = false) {
    this.value = value
    this.isSteady = isSteady
  }
}

/** The place of the message's id, `values[0]`; it may be used more than once. */
export const ID_SLOT: Slot = new Slot(0)
export const ID_LENGTH = 36

/** The place of `values[index]`, with an index from 1, once, in the headers. */
export function textSlot(index: number): Slot {
  return new Slot(index)
}

/** The same for a text that many messages on end have in common: it costs a message nothing as long as it stays. */
export function steadySlot(index: number): Slot {
  return new Slot(index, true)
}

/** What all messages of a template have in common; a {@link Slot} stands where they differ. */
export interface TemplateFields {
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  readonly properties: Omit<MessageProperties, 'correlationId'> & { readonly correlationId?: string | Slot }
}
