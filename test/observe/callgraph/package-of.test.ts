import { expect, test } from '@jest/globals'
import { packageOf, placeOf } from '../../../lib/observe/callgraph/package-of.ts'
import { HOME } from './written-profile.ts'

function frame(url: string) {
  return { functionName: 'f', url, lineNumber: 11, columnNumber: 0 }
}

test.each([
  ['file:///app/node_modules/amqplib/lib/channel.js', 'amqplib', 'channel.js:12'],
  ['file:///app/node_modules/@hpcc-js/wasm-graphviz/dist/index.js', '@hpcc-js/wasm-graphviz', 'index.js:12'],
  ['file:///app/node_modules/a/node_modules/b/index.js', 'b', 'index.js:12'],
  ['file:///app/dist/pool/dispatcher.js', 'pooled-producer', 'dispatcher.js:12'],
  ['file:///srv/node_modules/pooled-producer/dist/index.js', 'pooled-producer', 'index.js:12'],
  ['file:///srv/server.js', 'script:', 'server.js:12'],
  ['node:internal/streams/writable', 'node:', 'writable:12'],
  ['node:events', 'node:', 'events:12'],
  ['wasm://wasm/0123abcd', 'wasm:', '0123abcd:12'],
  ['', 'v8:', ''],
])('a function of %j is part of %s', (url, name, place) => {
  expect(packageOf(frame(url), HOME)).toBe(name)
  expect(placeOf(frame(url))).toBe(place)
})
