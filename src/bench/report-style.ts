// How a report looks: on a light page, on a dark one, and on paper.

export const REPORT_STYLE = `
:root { color-scheme: light dark; --text: #1d1f21; --quiet: #62676c; --line: #d9dce0; --page: #fff; --panel: #f6f7f8; --mark: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e6e8; --quiet: #9aa0a6; --line: #3b4046; --page: #16181a; --panel: #1f2225; --mark: #ff8a80 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: var(--text); background: var(--page) }
h1 { font-size: 1.6rem; line-height: 1.25 } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 2px solid var(--line) }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0 } dt { color: var(--quiet) } dd { margin: 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .5rem 0 }
td, th { padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { color: var(--quiet); font-weight: 500 } td:first-child, th:first-child, .devices td, .devices th { text-align: left }
.devices td { white-space: normal }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .5rem }
.marked { color: var(--mark); font-weight: 600 }
figure { margin: 1rem 0; padding: .75rem 1rem; background: var(--panel); border-radius: 6px; break-inside: avoid }
figcaption { font-weight: 600; margin-bottom: .5rem }
svg { display: block; width: 100%; max-width: 860px; height: auto; font: 12px system-ui, sans-serif; fill: var(--text) }
svg .quiet { fill: var(--quiet) } svg .grid { stroke: var(--line); fill: none } svg .axis { stroke: var(--text); fill: none }
@media print {
  :root { --text: #000; --quiet: #444; --line: #ccc; --page: #fff; --panel: #fff; --mark: #b3261e }
  body { max-width: none; margin: 0; font-size: 11px } figure { border: 1px solid var(--line) } h2 { break-after: avoid } .wide { overflow: visible }
}`;
