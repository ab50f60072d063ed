const PACKAGE = '@hpcc-js/wasm-graphviz'

/** Draws a graph in Graphviz's language as SVG. */
export type DrawGraph = (dot: string) => string

interface GraphvizModule {
  readonly Graphviz: { load(): Promise<{ dot(text: string): string }> }
}

/**
 * Graphviz, compiled to WebAssembly: nothing is fetched, nothing else is to be installed.
 *
 * @throws an error that names the package, when it is not there.
 */
export async function loadGraphviz(load: (name: string) => Promise<unknown> = importPackage): Promise<DrawGraph> {
  let loaded: GraphvizModule
  try {
    loaded = (await load(PACKAGE)) as GraphvizModule
  } catch (cause) {
    const message = `the picture is drawn by ${PACKAGE}, which cannot be loaded: npm install ${PACKAGE}`
    throw new Error(message, { cause })
  }
  const graphviz = await loaded.Graphviz.load()
  return (dot) => graphviz.dot(dot)
}

function importPackage(name: string): Promise<unknown> {
  return import(name)
}
