import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { commandsOf, place } from '../support/model-command.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'
import { messageOf, newChannel, type TestChannel, templateOf } from './recorded-owners.ts'
import { ScriptedChannel } from './scripted-channel.ts'

const MAX_IN_FLIGHT = 6
const MISSING_EXCHANGE = 'gone'
const TIME_LIMIT_MS = 60_000

type Outcome = 'confirmed' | 'refused' | 'orphaned'

/** What a channel must be like: its unconfirmed messages by tag, and what was told of the others. */
interface Model {
  state: 'open' | 'closing' | 'closed'
  isRetired: boolean
  written: number
  readonly open: Map<number, { readonly isMissing: boolean; isReturned: boolean }>
  readonly told: Map<number, Outcome>
}

interface Real extends TestChannel {
  readonly script: ScriptedChannel
}

const command = commandsOf<Model, Real>(compare)

async function compare(model: Model, { channel, answers }: Real): Promise<void> {
  // What amqplib has to say is said by the next turn.
  await new Promise((resolve) => setImmediate(resolve))
  const isUsable = model.state === 'open' && !model.isRetired
  const oldest = Math.min(model.written + 1, ...model.open.keys())
  const room = isUsable ? Math.max(0, MAX_IN_FLIGHT - (model.written + 1 - oldest)) : 0

  expect({
    ...{ isOpen: channel.isOpen, isUsable: channel.isUsable, inFlight: channel.inFlight, room: channel.room },
    ...{ publishes: channel.publishes, closedCount: answers.closedCount },
    told: outcomesOf(answers),
  }).toEqual({
    ...{ isOpen: model.state !== 'closed', isUsable, inFlight: model.open.size, room },
    ...{ publishes: model.written, closedCount: model.state === 'closed' ? 1 : 0 },
    told: [...model.told].sort(([a], [b]) => a - b),
  })
}

/** Each message that was told of, by number; `numbers` fails when one was told of twice. */
function outcomesOf(answers: TestChannel['answers']): [number, Outcome][] {
  const kinds: Outcome[] = ['confirmed', 'refused', 'orphaned']
  return kinds
    .flatMap((kind) => answers.numbers(kind).map((number): [number, Outcome] => [number, kind]))
    .sort(([a], [b]) => a - b)
}

/** Takes a message out of the open ones. */
function tell(model: Model, tag: number, outcome: Outcome): void {
  model.open.delete(tag)
  model.told.set(tag, outcome)
}

function orphanAll(model: Model): void {
  for (const tag of [...model.open.keys()]) tell(model, tag, 'orphaned')
}

/** A retired channel closes once nothing is in flight. */
function closeIfDone(model: Model): void {
  if (model.isRetired && model.open.size === 0 && model.state === 'open') model.state = 'closing'
}

const isUsable = (model: Model) => model.state === 'open' && !model.isRetired
const isAnswering = (model: Model) => model.state === 'open' && model.open.size > 0
const isOpen = (model: Model) => model.state === 'open'

/** One of the open tags, by a number from 0 up to 1. */
function tagAt({ open }: Model, place: number): number {
  return [...open.keys()][Math.floor(place * open.size)] as number
}

const commands: fc.Arbitrary<fc.AsyncCommand<Model, Real>>[] = [
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.boolean()).map(([count, isMissing]) => {
    return command(`write(${count}${isMissing ? ' to a missing exchange' : ''})`, isUsable, (model, { channel }) => {
      const exchange = isMissing ? MISSING_EXCHANGE : ''
      for (let left = Math.min(count, channel.room); left > 0; left--) {
        const tag = ++model.written
        const properties = { messageId: `${tag}` }
        const template = templateOf({ exchange, routingKey: 'q', mandatory: true, properties })
        channel.write(messageOf(template, tag), performance.now())
        model.open.set(tag, { isMissing, isReturned: false })
      }
      channel.flush()
    })
  }),
  fc.tuple(place, fc.boolean(), fc.boolean()).map(([at, multiple, isAck]) => {
    const name = `${isAck ? 'ack' : 'nack'}(${at}${multiple ? ', multiple' : ''})`
    return command(name, isAnswering, (model, { script }) => {
      const tag = tagAt(model, at)
      const answered = [...model.open.keys()].filter((each) => each === tag || (multiple && each < tag))
      for (const each of answered) {
        tell(model, each, isAck && !model.open.get(each)?.isReturned ? 'confirmed' : 'refused')
      }
      if (isAck) script.ack(tag, multiple)
      else script.nack(tag, multiple)
      closeIfDone(model)
    })
  }),
  place.map((at) => {
    return command(`return(${at})`, isAnswering, (model, { script }) => {
      const tag = tagAt(model, at)
      const message = model.open.get(tag) as { isMissing: boolean; isReturned: boolean }
      message.isReturned = true
      const exchange = message.isMissing ? MISSING_EXCHANGE : ''
      script.return({ exchange, routingKey: 'q' }, { messageId: `${tag}` })
    })
  }),
  fc.constant(
    command('answers to nothing', isOpen, ({ written }, { script }) => {
      script.raw.emit('ack', { deliveryTag: written + 1, multiple: false })
      script.raw.emit('nack', { deliveryTag: written + 7, multiple: false })
    }),
  ),
  fc.constant(
    command('retire', isOpen, (model, { channel }) => {
      channel.retire('a test')
      model.isRetired = true
      closeIfDone(model)
    }),
  ),
  fc.constant(
    command('destroy', isOpen, (model, { channel }) => {
      void channel.destroy('a test')
      model.isRetired = true
      model.state = 'closing'
      orphanAll(model)
    }),
  ),
  fc.constant(
    command(
      'close-ok',
      ({ state }) => state === 'closing',
      (model, { script }) => {
        script.closeOk()
        model.state = 'closed'
      },
    ),
  ),
  fc.constant(
    command('the broker closes the channel over one message', isOpen, (model, { script }) => {
      script.close(404, `NOT_FOUND - no exchange '${MISSING_EXCHANGE}' in vhost '/'`)
      const [guilty] = [...model.open].find(([, { isMissing }]) => isMissing) ?? []
      // With one message in flight it can only be that one.
      const culprit = model.open.size === 1 ? [...model.open.keys()][0] : guilty
      if (culprit !== undefined) tell(model, culprit, 'refused')
      orphanAll(model)
      model.state = 'closed'
    }),
  ),
  fc.constant(
    command('the broker closes the channel over something else', isOpen, (model, { script }) => {
      script.close(406, 'PRECONDITION_FAILED - a queue', 50, 10)
      orphanAll(model)
      model.state = 'closed'
    }),
  ),
  fc.constant(
    command(
      'cut',
      ({ state }) => state !== 'closed',
      (model, { script }) => {
        script.lose(new Error('cut'))
        orphanAll(model)
        model.state = 'closed'
      },
    ),
  ),
  fc.constant(
    command(
      'retire, destroy and answers after the end',
      ({ state }) => state === 'closed',
      async (_, { channel, script }) => {
        channel.retire('too late')
        channel.flush()
        script.raw.emit('ack', { deliveryTag: 1, multiple: true })
        await channel.destroy('too late')
        await channel.whenEmpty()
      },
    ),
  ),
]

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test(
    'whatever befalls a channel, in whatever order, each message is told of once, and as the model has it',
    async () => {
      const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (run) => {
        const script = new ScriptedChannel()
        const made = newChannel(script.raw, script.connection, { fastPath, maxInFlight: MAX_IN_FLIGHT })
        const model: Model = { state: 'open', isRetired: false, written: 0, open: new Map(), told: new Map() }
        await fc.asyncModelRun(() => ({ model, real: { script, ...made } }), run)
        // Else its clock would still run.
        if (made.channel.isOpen) script.lose()
      })
      await fc.assert(property, { numRuns: 300 })
    },
    TIME_LIMIT_MS,
  )
})
