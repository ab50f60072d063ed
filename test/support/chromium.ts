import { findProgram } from '../../lib/testing/rabbitmq-install.ts'
import { type ShownPage, useChromium, type View } from './browser.js'
import { type ConditionalTest, testThatNeeds } from './needs.ts'

export { backgroundOf, faintText, misplacedText, textBeyondBoxes, type View } from './browser.js'

const executablePath = findProgram('chromium') ?? findProgram('google-chrome')

/** A test that needs a real Chromium. */
export const browserTest: ConditionalTest = testThatNeeds('Chromium', executablePath !== undefined, 'there is none')

/** One browser for a test file. To be called once, at its top; gives a function that shows a page of HTML. */
export function useBrowser(): (html: string, view: View) => Promise<ShownPage> {
  return useChromium(executablePath)
}
