/**
 * The process of one contestant: it does nothing but send, so that its CPU time is the contestant's own. It
 * stays connected and idle between its turns.
 */
import { hold, march } from './memory-marks.js'
import { profile } from './profile-of-turn.js'
import { serve } from './serve.js'
import { latencies, turn } from './turn.js'

let contestant

serve({
  async connect({ name, settings }) {
    const { connect } = await import(`../contestants/${name}.js`)
    contestant = await connect(settings)
    return { version: contestant.version }
  },
  turn: (command) => turn(contestant, command),
  latencies: (command) => latencies(contestant, command),
  hold: (command) => hold(contestant, command),
  march: (command) => march(contestant, command),
  profile: (command) => profile(contestant, command),
  close: () => contestant?.close(),
})
