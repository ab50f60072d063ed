/** How a page is seen. */
export interface View {
  readonly width: number
  readonly scheme: 'light' | 'dark'
  readonly media?: 'screen' | 'print'
}

/** A page of Chromium's, as far as the tests use it. */
export interface ShownPage {
  screenshot(options?: { fullPage?: boolean; path?: string }): Promise<Buffer>
  locator(selector: string): {
    count(): Promise<number>
    first(): { boundingBox(): Promise<{ width: number; height: number } | null> }
  }
  close(): Promise<void>
}

export function useChromium(executablePath: string | undefined): (html: string, view: View) => Promise<ShownPage>
export function misplacedText(page: ShownPage): Promise<string[]>
export function faintText(page: ShownPage): Promise<string[]>
export function textBeyondBoxes(page: ShownPage): Promise<string[]>
export function backgroundOf(page: ShownPage): Promise<string>
