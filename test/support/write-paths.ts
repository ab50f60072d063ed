/** The two ways in which a message is written, by the option `fastPath`: for `describe.each`. */
export const WRITE_PATHS: readonly (readonly [name: string, fastPath: boolean])[] = [
  ['frames encoded ahead', true],
  ["amqplib's public publish", false],
]
