// Plain JavaScript: what runs in the page needs the browser's types, which the rest of the project must not have.
import { afterAll, beforeAll } from '@jest/globals'
import { chromium } from 'playwright-core'

// It looks for nothing outside, which the machine may not reach.
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync']

/** One browser for a test file; gives a function that shows a page. */
export function useChromium(executablePath) {
  let browser
  beforeAll(async () => {
    if (executablePath !== undefined) browser = await chromium.launch({ executablePath, args: ARGS })
  }, 60_000)
  afterAll(() => browser?.close())
  return async (html, { width, scheme, media = 'screen' }) => {
    const page = await browser.newPage({ viewport: { width, height: 900 } })
    await page.emulateMedia({ media, colorScheme: scheme })
    await page.setContent(html)
    return page
  }
}

/**
 * Pieces of text that stand over each other, or beyond the page's width, unless they can be scrolled to; and words and
 * numbers of no great length that are broken in two.
 */
export function misplacedText(page) {
  return page.evaluate(() => {
    const scrollerOf = (start) => {
      for (let element = start; element !== document.body; element = element.parentElement) {
        const isLarger = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight
        if (getComputedStyle(element).overflowX === 'auto' && isLarger) return element
      }
      return document.body
    }
    const isBroken = (node, { index, 0: word }) => {
      const range = document.createRange()
      range.setStart(node, index)
      range.setEnd(node, index + word.length)
      return range.getClientRects().length > 1
    }
    const faults = []
    const boxes = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement
      if (!node.textContent.trim() || element.closest('title, style') !== null || element.getClientRects().length === 0)
        continue
      const range = document.createRange()
      range.selectNodeContents(node)
      const scroller = scrollerOf(element)
      for (const word of node.textContent.matchAll(/(?<!\S)[\p{L}\d,.]{1,16}(?!\S)/gu)) {
        if (isBroken(node, word)) faults.push(`broken in two: ${word[0]}`)
      }
      for (const box of range.getClientRects()) boxes.push({ text: node.textContent.trim(), box, scroller })
    }
    boxes.forEach(({ text, box, scroller }, index) => {
      const isBeyond = box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5
      if (isBeyond && scroller === document.body) faults.push(`cut off: ${text}`)
      for (const other of boxes.slice(index + 1)) {
        if (other.scroller !== scroller) continue
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top)
        // Lines of one paragraph touch; what lies over another by more than that cannot be read.
        if (across > 1 && down > 4) faults.push(`over each other: ${text} / ${other.text}`)
      }
    })
    if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push('the page is too wide')
    return faults
  })
}

/** Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3), with the contrast. */
export function faintText(page) {
  return page.evaluate(() => {
    const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (color) => {
      const [red, green, blue] = color.slice(0, 3).map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const behind = (start) => {
      for (let element = start; element !== null; element = element.parentElement) {
        const color = channels(getComputedStyle(element).backgroundColor)
        if (color.length === 3 || color[3] > 0) return color
      }
      return [255, 255, 255]
    }
    const faults = []
    for (const element of document.body.querySelectorAll('*')) {
      const text = [...element.childNodes].find((node) => node.nodeType === 3 && node.textContent.trim())
      if (text === undefined || element.closest('svg, style') !== null) continue
      const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))]
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      if (contrast < 4.5) faults.push(`${text.textContent.trim()}: ${contrast.toFixed(2)}`)
    }
    return faults
  })
}

/** Texts of a drawing by Graphviz that stand beyond their boxes. */
export function textBeyondBoxes(page) {
  return page.evaluate(() => {
    const faults = []
    for (const node of document.querySelectorAll('svg .node')) {
      const box = node.querySelector('polygon').getBoundingClientRect()
      for (const text of node.querySelectorAll('text')) {
        const { left, right, top, bottom } = text.getBoundingClientRect()
        if (left < box.left || right > box.right || top < box.top - 1 || bottom > box.bottom + 1)
          faults.push(text.textContent)
      }
    }
    return faults
  })
}

/** The colour of the page. */
export function backgroundOf(page) {
  return page.evaluate(() => getComputedStyle(document.body).backgroundColor)
}
