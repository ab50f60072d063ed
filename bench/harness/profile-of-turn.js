import { Session } from 'node:inspector/promises'
import { turn } from './turn.js'

/**
 * One turn under V8's sampling profiler.
 *
 * @returns {Promise<object>} The figures of the turn, and `functions`: name, place and the microseconds spent
 * in each itself, from dear to cheap.
 */
export async function profile(contestant, command) {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 200 })
  await session.post('Profiler.start')
  const figures = await turn(contestant, command)
  const { profile: found } = await session.post('Profiler.stop')
  session.disconnect()
  return { ...figures, functions: selfTimes(found) }
}

function selfTimes({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map()
  samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = frames.get(id)
    const place = url === '' ? '' : `${shortened(url)}:${lineNumber + 1}`
    const key = `${functionName || '(anonymous)'} ${place}`
    const known = times.get(key) ?? { name: functionName || '(anonymous)', place, selfUs: 0 }
    known.selfUs += timeDeltas[index]
    times.set(key, known)
  })
  return [...times.values()].toSorted((a, b) => b.selfUs - a.selfUs)
}

/** The path from the package on: what comes after the last node_modules/, or the last three parts. */
function shortened(url) {
  const [, inPackage] = url.match(/.*node_modules\/(.*)/) ?? []
  return inPackage ?? url.split('/').slice(-3).join('/')
}
