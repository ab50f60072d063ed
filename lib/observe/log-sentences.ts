import { count, counted, duration, percent } from './figures.ts'
import type { EventName } from './log-events.ts'

/** Fields as they are written: any of them may be missing, and a sentence is made all the same. */
type Fields = Record<string, unknown>

/** What each event says to a person, made from the fields of its record. */
export const SENTENCES: Readonly<Record<EventName, (fields: Fields) => string>> = {
  'connection.open': (f) =>
    `${named('connection', f)}${text(' to ', f.broker)} opened${time(' in ', f.openMs)}${attempts(f.attempts)}`,
  'connection.close': (f) =>
    `${named('connection', f)}${text(' to ', f.broker)} closed${time(' after ', f.lifetimeMs)}${reason(f.reason)}`,
  'connection.retry': (f) =>
    `${named('connection', f)} did not open${numbered(' at attempt ', f.attempt)}${text(': ', errorText(f.error))}${time('; next in ', f.delayMs)}`,
  'connection.blocked': (f) => `the broker blocked ${named('connection', f)}${reason(f.reason)}`,
  'connection.unblocked': (f) => `the broker unblocked ${named('connection', f)}${time(' after ', f.blockedMs)}`,
  'channel.open': (f) =>
    `${named('channel', f)} opened${text(' on connection ', f.connection)}${time(' in ', f.openMs)}`,
  'channel.close': (f) =>
    `${named('channel', f)} closed${amount(' after ', f.publishes, 'publish')}${amount(' in ', f.leases, 'lease')}${reason(f.reason)}`,
  'channel.acquire': (f) =>
    `${named('lease', f)} took ${named('channel', f)}${time(' after ', f.waitMs)}${f.reused === true ? ', kept open' : f.reused === false ? ', newly opened' : ''}`,
  'channel.release': (f) =>
    `${named('lease', f)} gave back ${named('channel', f)}${time(' after ', f.heldMs)}${amount(' and ', f.publishes, 'publish')}`,
  'lease.held': (f) => `${named('lease', f)} still holds ${named('channel', f)}${time(' after ', f.heldMs)}`,
  'publish.confirm': (f) =>
    `${message(f)} confirmed${time(' in ', f.confirmMs)}${text(' on channel ', f.channel)}${attempts(f.attempts)}`,
  'publish.retry': (f) => `${messages(f)} sent again${numbered(' after attempt ', f.attempt)}${reason(f.code)}`,
  'publish.fail': (f) =>
    `${message(f)} failed${numbered(' at attempt ', f.attempt)}${text(': ', f.code)}${reason(f.outcome)}`,
  'pool.summary': (f) => {
    const reuse = typeof f.reuseRatio === 'number' ? `, ${percent(f.reuseRatio)} without opening one` : ''
    return `${amount('', f.publishes, 'publish') || 'publishes'} so far${amount(' over ', f.channelsOpened, 'channel')}${reuse}`
  },
  'pool.warning': (f) => text('', f.reason) || 'warning',
}

/** `channel 3`, or `a channel`. */
function named(noun: string, fields: Fields): string {
  return text(`${noun} `, fields[noun]) || `a ${noun}`
}

function message(fields: Fields): string {
  return text('', fields.task) || text('message to ', fields.routingKey) || 'a message'
}

/** One message by its name, or the number of those that one fault hit. */
function messages(fields: Fields): string {
  return typeof fields.more === 'number' ? `${counted(fields.more, 'more message')} are` : `${message(fields)} is`
}

function text(before: string, value: unknown): string {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? `${before}${value}` : ''
}

function reason(value: unknown): string {
  return text(' (', value) && `${text(' (', value)})`
}

function time(before: string, ms: unknown): string {
  return typeof ms === 'number' ? `${before}${duration(ms)}` : ''
}

function numbered(before: string, value: unknown): string {
  return typeof value === 'number' ? `${before}${count(value)}` : ''
}

function amount(before: string, value: unknown, noun: string): string {
  return typeof value === 'number' ? `${before}${counted(value, noun)}` : ''
}

/** The first attempt is the rule and goes without saying. */
function attempts(value: unknown): string {
  return typeof value === 'number' && value > 1 ? ` at attempt ${count(value)}` : ''
}

function errorText(error: unknown): unknown {
  return (error as { message?: unknown } | null | undefined)?.message
}
