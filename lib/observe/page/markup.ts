/** Text that is HTML already. */
export class Markup {
  readonly html: string

  constructor(html: string) {
    this.html = html
  }
}

type Part = Markup | string | number | false | null | undefined | readonly Part[]

/** HTML from a template: what is put in is escaped, unless it is markup itself; `false` and the like are nothing. */
export function html(texts: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(texts.reduce((all, text, index) => all + written(parts[index - 1]) + text))
}

function written(part: Part): string {
  if (part === false || part === null || part === undefined) return ''
  if (part instanceof Markup) return part.html
  if (Array.isArray(part)) return part.map(written).join('')
  return escaped(`${part as string | number}`)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
// A name from a log may hold characters that turn the direction of the text around it.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function escaped(text: string): string {
  return text.replace(INVISIBLE, '').replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
}
