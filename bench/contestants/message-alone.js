import { varyingParts } from '../harness/celery-message.js'

/** What each message needs made for it, and nothing sent: the id, the text of the arguments, the body. */
export async function connect() {
  let bytes = 0
  return {
    version: process.version,
    async run(count) {
      for (let made = 0; made < count; made++) {
        const { id, argsrepr, body } = varyingParts(made)
        // The sum keeps the parts from being dropped as unused.
        bytes += id.length + argsrepr.length + body.length
      }
      return bytes
    },
    async close() {},
  }
}
