import { expect, test } from '@jest/globals'
import { callGraph } from '../../../lib/observe/callgraph/call-graph.ts'
import { AMQPLIB, HOME, profileOf } from './written-profile.ts'

const options = { home: HOME }

/** The shares of each function, by its name. */
function sharesOf(graph: ReturnType<typeof callGraph>) {
  return Object.fromEntries(graph.functions.map(({ name, self, total }) => [name, [round(self), round(total)]]))
}

function callsOf(graph: ReturnType<typeof callGraph>) {
  const nameOf = new Map(graph.functions.map(({ id, name }) => [id, name]))
  return Object.fromEntries(
    graph.calls.map(({ from, to, share }) => [`${nameOf.get(from)} > ${nameOf.get(to)}`, round(share)]),
  )
}

function round(value: number): number {
  return Number(value.toFixed(3))
}

test('a function has the time of its own code, and with it that of all it called', () => {
  const send = { name: 'send', self: 20, calls: [{ name: 'encode', url: AMQPLIB, self: 60 }] }
  const graph = callGraph(profileOf({ name: 'main', self: 20, calls: [send] }), options)

  expect(sharesOf(graph)).toEqual({ encode: [0.6, 0.6], main: [0.2, 1], send: [0.2, 0.8] })
  expect(callsOf(graph)).toEqual({ 'main > send': 0.8, 'send > encode': 0.6 })
  expect(graph).toMatchObject({ busyMs: 100, samples: 3 })
})

test('one function in several places of the tree is one, and each caller has its part', () => {
  const encode = (self: number) => ({ name: 'encode', self })
  const profile = profileOf(
    { name: 'first', self: 10, calls: [encode(30)] },
    { name: 'second', self: 10, calls: [encode(50)] },
  )
  const graph = callGraph(profile, options)

  expect(sharesOf(graph)).toEqual({ encode: [0.8, 0.8], first: [0.1, 0.4], second: [0.1, 0.6] })
  expect(callsOf(graph)).toEqual({ 'first > encode': 0.3, 'second > encode': 0.5 })
})

test('what calls itself, directly or by way of another, counts once', () => {
  const inner = { name: 'walk', self: 20, calls: [{ name: 'visit', self: 10 }] }
  const graph = callGraph(
    profileOf({ name: 'walk', self: 30, calls: [{ name: 'visit', self: 40, calls: [inner] }] }),
    options,
  )

  expect(sharesOf(graph)).toEqual({ walk: [0.5, 1], visit: [0.5, 0.7] })
  expect(callsOf(graph)).toEqual({ 'walk > visit': 0.7, 'visit > walk': 0.3 })
})

test('functions of one name at two places are two', () => {
  const graph = callGraph(profileOf({ name: '', line: 3, self: 50 }, { name: '', line: 9, self: 50 }), options)

  expect(graph.functions.map(({ name, place }) => `${name} ${place}`).sort()).toEqual([
    '(anonymous) own.js:3',
    '(anonymous) own.js:9',
  ])
})

test('idle time does not count', () => {
  const graph = callGraph(profileOf({ name: '(idle)', url: '', self: 900 }, { name: 'main', self: 100 }), options)

  expect(sharesOf(graph)).toEqual({ main: [1, 1] })
  expect(graph.busyMs).toBe(100)
})

test('packages have the self time of all their functions, those that are not drawn too', () => {
  const rest = Array.from({ length: 20 }, (_, line) => ({ name: `small${line}`, line, self: 1, url: 'node:net' }))
  const profile = profileOf({ name: 'publish', url: AMQPLIB, self: 60, calls: rest }, { name: 'delay', self: 20 })
  const graph = callGraph(profile, { ...options, most: 2 })

  expect(graph.functions.map(({ name }) => name)).toEqual(['publish', 'delay'])
  expect(graph.packages.map(({ name, share }) => [name, round(share)])).toEqual([
    ['amqplib', 0.6],
    ['node:', 0.2],
    ['pooled-producer', 0.2],
  ])
})

test('what is left out counts as its caller, and what it called as called by that', () => {
  const write = { name: 'write', url: 'node:net', self: 10, calls: [{ name: 'flush', self: 40 }] }
  const profile = profileOf({ name: 'main', self: 50, calls: [write] })

  const graph = callGraph(profile, { ...options, exclude: ['node:'] })

  expect(sharesOf(graph)).toEqual({ main: [0.6, 1], flush: [0.4, 0.4] })
  expect(callsOf(graph)).toEqual({ 'main > flush': 0.4 })
})

test('only functions of the packages that were asked for are drawn', () => {
  const publish = { name: 'publish', url: AMQPLIB, self: 30, calls: [{ name: 'write', url: 'node:net', self: 20 }] }
  const profile = profileOf({ name: 'main', self: 50, calls: [publish] })

  expect(sharesOf(callGraph(profile, { ...options, include: ['amqplib'] }))).toEqual({ publish: [0.5, 0.5] })
})

test('the sixty heaviest functions are drawn, and none that takes less than half a hundredth', () => {
  const many = Array.from({ length: 90 }, (_, line) => ({ name: `f${line}`, line, self: 10 + line }))
  const graph = callGraph(profileOf(...many), options)
  const small = callGraph(profileOf({ name: 'large', self: 999 }, { name: 'small', self: 1 }), options)

  expect(graph.functions).toHaveLength(60)
  expect(graph.functions.at(-1)?.name).toBe('f30')
  expect(small.functions.map(({ name }) => name)).toEqual(['large'])
})

test('a profile without samples gives an empty graph', () => {
  const graph = callGraph({ nodes: [], startTime: 0, endTime: 0 }, options)

  expect(graph).toEqual({ busyMs: 0, samples: 0, functions: [], calls: [], packages: [] })
})
