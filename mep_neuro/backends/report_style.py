"""The report's page and its style sheet: one file, light and dark, from phone to desk."""

from string import Template

# Series colours: Okabe and Ito 2008, 'Color universal design', darkened or lightened to keep a contrast of
# at least 3:1 on the page's ground in either scheme. Lines differ in their dashes too.
STYLE = """
:root { color-scheme: light dark;
  --ground: #fbfaf7; --card: #ffffff; --ink: #1f2328; --soft: #5c646d; --line: #dcd9d1; --grid: #e6e3dc;
  --accent: #0b5c8a; --bad: #b3261e; --good: #0a7350; --heat: 0, 92, 138; --heat-bad: 190, 80, 10;
  --s0: #333a41; --s1: #0072b2; --s2: #c45100; --s3: #00805c; --s4: #a8558a; --s5: #8a6d00;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, "Liberation Serif", serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15181c; --card: #1d2126; --ink: #e8e6e1; --soft: #a3abb3; --line: #343a41; --grid: #2d3339;
  --accent: #7cc4ee; --bad: #ff9b8f; --good: #5fd3a8; --heat: 96, 178, 226; --heat-bad: 240, 140, 60;
  --s0: #e3e0d8; --s1: #5eb6ea; --s2: #ff9350; --s3: #3dcf9f; --s4: #e39cc8; --s5: #e2bd3a; } }
* { box-sizing: border-box; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.6 var(--sans);
  -webkit-text-size-adjust: 100%; }
main { max-width: 62rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2.5rem) 4rem; }
h1, h2 { font-family: var(--serif); font-weight: 600; line-height: 1.2; text-wrap: balance; }
h1 { font-size: clamp(1.9rem, 5vw, 2.9rem); margin: .3rem 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.55rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
section { margin-top: 3.2rem; }
p { max-width: 44rem; margin: .5rem 0 1rem; }
code, pre { font-family: var(--mono); font-size: .875em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.1rem;
  overflow-x: auto; line-height: 1.7; }
.eyebrow { color: var(--accent); font-weight: 600; font-size: .85rem; letter-spacing: .06em;
  text-transform: uppercase; margin: 0; }
.lead { font-family: var(--serif); font-size: 1.18rem; line-height: 1.6; max-width: 46rem; }
.soft, figcaption, caption { color: var(--soft); }
.bad { color: var(--bad); } .good { color: var(--good); }
.tiles { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr));
  margin: 1.8rem 0 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1rem 1.1rem; }
.tiles b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums;
  font-weight: 600; white-space: nowrap; }
.tiles span { color: var(--soft); font-size: .88rem; line-height: 1.4; display: block; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  margin: 1rem 0 1.3rem; }
table { border-collapse: collapse; width: 100%; font-size: .93rem;
  font-variant-numeric: tabular-nums lining-nums; }
caption { text-align: left; padding: .8rem 1rem .4rem; font-size: .85rem; }
th, td { padding: .5rem .8rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; font-size: .82rem; border-top: 0; vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 1rem; }
td:last-child, th:last-child { padding-right: 1rem; }
tbody th { font-weight: 600; }
sup { font-size: .72em; line-height: 0; }
.tiles sup { font-size: .62em; }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .55rem; }
.whisker { width: 9rem; height: 1rem; vertical-align: middle; overflow: visible; }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr));
  margin: 1rem 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: .9rem .9rem .7rem; }
.plots figure { max-width: 34rem; }
figure > svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .85rem; line-height: 1.45; padding: .35rem .2rem 0; }
figcaption b { color: var(--ink); font-size: .95rem; }
figure > figcaption:first-child { padding: 0 .2rem .5rem; }
.scroll:has(.confusion) { width: fit-content; max-width: 100%; padding: 0 1rem 1rem .3rem; }
.confusion { width: auto; }
.part { color: var(--soft); font-weight: 400; margin-left: .35rem; }
.confusion td, .confusion th { text-align: center; padding: 0; min-width: 2.5rem; height: 2.2rem; border: 0; }
.confusion tbody th { padding: 0 .9rem; text-align: center; }
.confusion td { border: 1px solid var(--card); }
.confusion caption { padding-bottom: .7rem; }
.zero { color: var(--soft); opacity: .45; }
.images { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr));
  margin: 1rem 0; }
.images figure { padding: .8rem .7rem .6rem; }
.images img { display: block; width: 5.5rem; height: 5.5rem; margin: 0 auto .6rem; image-rendering: pixelated;
  border-radius: 6px; background: #fff; border: 1px solid var(--line); }
.images dl { display: grid; grid-template-columns: 1fr auto; gap: .05rem .3rem; margin: 0; font-size: .84rem;
  font-variant-numeric: tabular-nums; }
.images dt { color: var(--soft); white-space: nowrap; } .images dd { margin: 0; text-align: right;
  font-weight: 600; white-space: nowrap; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.4rem; margin: 1rem 0;
  font-size: .93rem; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
ul.plain { padding-left: 1.2rem; max-width: 44rem; } ul.plain li { margin: .4rem 0; }
@media (max-width: 34rem) { th, td { padding: .45rem .55rem; }
  tbody th { white-space: normal; min-width: 7.6rem; } .confusion tbody th { min-width: 0; }
  .confusion td, .confusion th { min-width: 1.85rem; height: 1.85rem; }
  .scroll:has(.confusion) { padding: 0 .5rem .5rem 0; }
  .confusion tbody th { padding: 0 .4rem; } .whisker { width: 6rem; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: .6rem; }
  .images { grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr)); gap: .6rem; } }
@media print { :root { --ground: #fff; } section { break-inside: avoid; } }
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")
