/** The page's looks: readable in light and dark, at the width of a phone, and on paper. Contrast is 4.5 or more. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --card: #f3f5f7; --line: #d5dae0;
  --bar: #3b78c2; --band: #9dbfe6; --p99: #1f5fae; --p50: #0f766e; --open: #2f8f5b; --closed: #7d8590;
  --failure: #c4232f; --lost: #a04a00; --blocked: #7a3fb0; --retry: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3adb8; --paper: #14181d; --card: #1e242b;
  --line: #38414b; --bar: #5b9be6; --band: #2b4a70; --p99: #7db4f2; --p50: #4fc3b4; --open: #54b97f; --closed: #8a939d;
  --failure: #ff7b82; --lost: #f0a45d; --blocked: #c39af0; --retry: #e0b64a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line);
  padding-top: 1.25rem; } h3 { font-size: 1rem; margin: 1.25rem 0 0; } figcaption h3 { margin: 0; }
p { margin: .25rem 0; } .soft, .note { color: var(--soft); font-size: .875rem; }
.headline { font-size: 1.25rem; margin: .75rem 0; } .headline b { font-size: 2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.75rem, 1fr)); gap: .5rem; margin: .75rem 0; padding: 0; }
.cards > div { background: var(--card); border-radius: .4rem; padding: .5rem .6rem; }
.cards dt { color: var(--soft); font-size: .8125rem; } .cards dd { margin: 0; font-size: 1.125rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.advice { background: var(--card); border-left: 4px solid var(--p99); margin: 1rem 0; padding: .5rem .75rem .5rem 2rem; }
.chart { margin: 1.75rem 0 0; break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; gap: .25rem 1rem; justify-content: space-between; margin-bottom: .6rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; list-style: none; margin: 0; padding: 0; color: var(--soft); font-size: .8125rem; }
.legend i { display: inline-block; width: .75rem; height: .75rem; margin-right: .35rem; border-radius: 2px; vertical-align: -1px; }
i.bar { background: var(--bar); } i.p99 { background: var(--p99); } i.p50 { background: var(--p50); }
i.open, b.open { background: var(--open); } i.closed, b.closed { background: var(--closed); }
i.failure { background: var(--failure); } i.lost { background: var(--lost); } i.blocked { background: var(--blocked); } i.retry { background: var(--retry); }
.plot { position: relative; height: 11rem; margin: 0 0 2.75rem 4.25rem; } .plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.x, .y { list-style: none; margin: 0; padding: 0; color: var(--soft); font-size: .8125rem; line-height: 1; font-variant-numeric: tabular-nums; }
.y li { position: absolute; right: calc(100% + .5rem); transform: translateY(50%); white-space: nowrap; }
.x { position: relative; height: 1rem; } .x li { position: absolute; top: .45rem; transform: translateX(-50%); white-space: nowrap; }
.x li.first { transform: none; } .x li.last { transform: translateX(-100%); }
path { vector-effect: non-scaling-stroke; fill: none; } .grid { stroke: var(--line); stroke-width: 1; }
.bar { fill: var(--bar); } .band { fill: var(--band); opacity: .6; } path.p99 { stroke: var(--p99); stroke-width: 2; } path.p50 { stroke: var(--p50); stroke-width: 2; }
.mark { stroke-width: 2; stroke-dasharray: 4 3; } .mark.failure { stroke: var(--failure); } .mark.lost { stroke: var(--lost); }
.mark.blocked { stroke: var(--blocked); } .mark.retry { stroke: var(--retry); }
.bars { list-style: none; margin: 0; padding: 0; font-size: .8125rem; }
.bars li { display: grid; grid-template-columns: 6.5rem 1fr 6rem; gap: .5rem; align-items: center; line-height: 1.35; }
.who { color: var(--soft); } .what { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.track { position: relative; height: .7rem; background: var(--card); border-radius: 2px; } .track b { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 2px; }
.under { margin: 0 6.5rem 1.5rem 7rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; margin: .5rem 0; } th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem .3rem 0; vertical-align: top; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide td:first-child { overflow-wrap: break-word; }
.wide { overflow-x: auto; }
@media (max-width: 40rem) { body { padding: 1rem .75rem 2rem; } .x li:nth-child(even) { display: none; } .plot { margin-left: 3.75rem; height: 9rem; }
  .bars li { grid-template-columns: 4.6rem 1fr 5.4rem; } .under { margin: 0 5.9rem 1.5rem 5.1rem; } }
@media print { :root { --ink: #000; --soft: #333; --paper: #fff; --card: #f1f1f1; --line: #bbb; } body { max-width: none; padding: 0; font-size: 11pt; }
  .bar, .band, i, b, .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; } h2 { break-after: avoid; } }
`
