import { connectWith } from './celery-node.js'

/** celery-node as it comes, with Nagle's algorithm on: what its users have today. */
export function connect(settings) {
  return connectWith({}, settings)
}
