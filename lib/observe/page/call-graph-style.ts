/** What a page of call graphs has beside {@link STYLE}. The drawing scrolls in its figure, and shrinks to fit on paper. */
export const CALL_GRAPH_STYLE = `
.wide td:first-child { overflow-wrap: anywhere; }
body.broad { max-width: 120rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 32rem), 1fr)); gap: 0 2rem; }
.pair > section { min-width: 0; }
.calls { margin: .75rem 0; overflow: auto; max-height: 85vh; border: 1px solid var(--line); border-radius: .4rem; }
.calls svg { display: block; }
.calls text { font-size: 12px; text-rendering: geometricPrecision; } .calls .edge text { font-size: 11px; }
.package > path, .package > polygon { stroke: var(--line); fill: var(--card); } .calls .package > text { fill: var(--ink); font-size: 13px; font-weight: 600; }
.edge path { stroke: var(--soft); } .edge polygon { stroke: var(--soft); fill: var(--soft); } .edge text { fill: var(--ink); }
@page { size: landscape; margin: 10mm; }
@media print { .pair { display: block; } .calls { max-height: none; overflow: visible; border: 0; }
  .calls svg { max-width: 100%; height: auto; } .calls * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`
