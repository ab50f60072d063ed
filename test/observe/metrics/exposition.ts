/** A metric as its HELP and TYPE lines announce it. */
export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
}

/** An exposition in Prometheus' text format. */
export interface Exposition {
  readonly families: readonly Family[]
  /** Values by name and labels, as they are written. */
  readonly samples: ReadonlyMap<string, number>
}

const HELP = /^# HELP (\S+) (.*)$/
const TYPE = /^# TYPE (\S+) (\S+)$/
const SAMPLE = /^([a-z_]+\{[^}]*\}) (\S+)$/

/** Reads an exposition line by line; a line that is none, or a sample that comes twice, is an error. */
export function expositionOf(text: string): Exposition {
  const families: Family[] = []
  const samples = new Map<string, number>()
  let help: RegExpExecArray | null = null
  for (const line of text.split('\n')) {
    if (line === '') continue
    const type = TYPE.exec(line)
    const [, key, value] = SAMPLE.exec(line) ?? []
    if (HELP.test(line)) {
      help = HELP.exec(line)
    } else if (type !== null && type[1] === help?.[1]) {
      families.push({ name: type[1] as string, type: type[2] as string, help: help?.[2] as string })
    } else if (key?.startsWith(families.at(-1)?.name as string) && !samples.has(key)) {
      samples.set(key, Number(value))
    } else {
      throw new Error(`not a line of an exposition at this place: ${line}`)
    }
  }
  return { families, samples }
}
