/**
 * Answers the commands of a `Worker`, one at a time. The command `close` ends the process when what it closes
 * is closed; so does, at once, the end of the process that commands.
 *
 * @param {Record<string, (details: object) => unknown>} commands By name.
 */
export function serve(commands) {
  process.on('message', (command) => {
    answer(commands, command).catch(fail)
  })
  process.on('disconnect', () => process.exit())
}

async function answer(commands, command) {
  const answer = await commands[command.do](command)
  if (command.do === 'close') process.disconnect()
  else process.send({ answer: answer ?? {} })
}

function fail(error) {
  process.send({ error: error instanceof Error ? error.message : String(error) })
}
