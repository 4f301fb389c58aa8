"""The page's style sheet: one column on a phone, light or dark as the reader's system is set, nothing fetched."""

CSS = """
:root { color-scheme: light dark;
  --ink: #1b2430; --soft: #5a6675; --line: #d9dfe6; --paper: #ffffff; --panel: #f5f7f9;
  --mark: #1d5fa8; --mark-soft: #9dc0e4; --warn: #a3431f; --good: #1f7a4d; --cell: 29, 95, 168; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e4e9ef; --soft: #9aa7b6; --line: #333d49; --paper: #14191f; --panel: #1c232b;
  --mark: #7ab4f0; --mark-soft: #35618f; --warn: #f0936b; --good: #6ccf9d; --cell: 122, 180, 240; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0; max-width: 48rem; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
dl.facts { display: grid; grid-template-columns: minmax(6rem, 15rem) 1fr; gap: .25rem 1rem; margin: 1rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin-left: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl.facts { display: block; } dl.facts dd { margin-bottom: .5rem; } }
.grid { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0; background: var(--panel); border-radius: 6px; padding: .75rem .9rem; min-width: 0; }
figure h3 { margin: 0 0 .5rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; }
tbody th { font-weight: 500; }
.wide { min-width: 20rem; white-space: normal; } .wrapped { min-width: 9rem; white-space: normal; }
@media (max-width: 34rem) { .wide { min-width: 32rem; } }
dl.guards { grid-template-columns: minmax(6rem, 21rem) 1fr; } dl.guards dt { color: var(--ink); }
dl.guards span { font-size: .85rem; margin-left: .3rem; } dl.guards dd { color: var(--soft); }
tr.control th, tr.control td, .row.control .name { color: var(--soft); }
.tag { font-size: .75rem; color: var(--soft); border: 1px solid var(--line); border-radius: 3px; padding: 0 .3rem; }
.better { color: var(--good); } .worse { color: var(--warn); } .tie { color: var(--soft); }
.row { padding: .2rem 0 .3rem; }
.row .head { display: flex; justify-content: space-between; gap: .75rem; font-size: .85rem; }
.row .name { overflow-wrap: anywhere; } .row .value { white-space: nowrap; }
.bar { position: relative; height: 12px; margin-top: 3px; }
.bar::before { content: ""; position: absolute; left: 0; right: 0; top: 5.5px; height: 1px; background: var(--line); }
.bar i { position: absolute; }
.bar .ci { top: 4px; height: 4px; background: var(--mark-soft); border-radius: 2px; }
.bar .dot { top: 1px; width: 10px; height: 10px; margin-left: -5px; border-radius: 50%; background: var(--mark); }
.row.control .dot { background: var(--soft); } .row.control .ci { background: var(--line); }
.bar .top { top: 0; width: 2px; height: 12px; margin-left: -1px; background: var(--warn); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .75rem; }
table.cells { border-collapse: separate; border-spacing: 2px; width: 100%; table-layout: fixed; font-size: .8rem; }
table.cells td, table.cells th { border: 0; padding: .3rem .2rem; text-align: center; overflow: hidden;
  text-overflow: ellipsis; }
table.cells tbody th { text-align: right; width: 4.5rem; font-weight: 400; color: var(--soft); }
svg { display: block; width: 100%; max-width: 15rem; height: auto; }
svg .frame { fill: none; stroke: var(--line); } svg .even { stroke: var(--soft); stroke-dasharray: 3 3; }
svg .curve { fill: none; stroke: var(--mark); stroke-width: 1.5; } svg .at { fill: var(--mark); }
svg text { fill: var(--soft); font-size: 9px; }
svg.broad { max-width: 26rem; } svg .fill { fill: var(--mark); } svg .base { stroke: var(--line); }
.kind0 { fill: var(--mark); background: var(--mark); } .kind1 { fill: var(--mark-soft); background: var(--mark-soft); }
.kind2 { fill: var(--soft); background: var(--soft); }
svg .line { fill: none; stroke-width: 1.5; } svg circle.line0 { fill: var(--mark); }
.line0 { stroke: var(--mark); background: var(--mark); } .line1 { stroke: var(--soft); background: var(--soft); }
.line2 { stroke: var(--warn); background: var(--warn); } svg circle.line1 { fill: var(--soft); }
svg circle.line2 { fill: var(--warn); }
.legend i { display: inline-block; width: .7rem; height: .7rem; margin: 0 .3rem 0 .6rem; border-radius: 2px; }
.legend i:first-child { margin-left: 0; }
.banner { border: 2px solid var(--warn); border-radius: 6px; padding: .5rem .9rem;
  color: var(--warn); max-width: none; }
.tag.leak { color: var(--warn); border-color: var(--warn); }
.leaky::after { content: "LEAKY PROTOCOL"; position: fixed; inset: 0; display: grid; place-items: center;
  font-size: min(11vw, 7rem); font-weight: 700; color: var(--warn); opacity: .08; transform: rotate(-24deg);
  pointer-events: none; }
details { margin: .75rem 0; } summary { cursor: pointer; color: var(--mark); }
ul { padding-left: 1.2rem; } li { max-width: 48rem; }
"""
