"""The page's style sheet. Cell colours run from orange (missed) over pale to blue (met): told apart without red and
green, and every cell carries its number besides.
"""

CSS = """\
:root{color-scheme:light dark;--bg:#fbfaf7;--card:#fff;--ink:#16181d;--soft:#5b616e;--rule:#e3e0d8;
--a:#1f5fa8;--b:#c2590c;--track:#ebe8e0;--met:#1f5fa8;--missed:#b34700;
--h0:#b35806;--h1:#e08214;--h2:#fdb863;--h3:#fee0b6;--h4:#d9e6f2;--h5:#9dc3e0;--h6:#5b97c7}
@media (prefers-color-scheme:dark){:root{--bg:#13151a;--card:#1b1e25;--ink:#eceef2;--soft:#9aa2b1;--rule:#2d323c;
--a:#7fb4ea;--b:#f0a05a;--track:#2a2f39;--met:#7fb4ea;--missed:#f0a05a;
--h0:#a04e05;--h1:#b9690f;--h2:#8a6534;--h3:#5c4c38;--h4:#2f3c4a;--h5:#2c5578;--h6:#2d6ca3}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1240px;margin:0 auto;padding:48px 28px 96px}
header p.kicker{margin:0;color:var(--soft);font-size:14px}
h1{font-size:38px;line-height:1.15;margin:4px 0 8px;letter-spacing:-.02em;font-weight:680}
h2{font-size:23px;margin:64px 0 4px;letter-spacing:-.01em}
h2+p{margin-top:0}
p.lead,p.note,figcaption{color:var(--soft)}
p.lead{max-width:68ch;margin:0}
p.note,figcaption{font-size:14px;max-width:80ch}
.warning{border-left:4px solid var(--b);padding:8px 16px;background:var(--card);margin:24px 0 0}
.hero{display:grid;grid-template-columns:1.7fr 1fr 1fr 1fr;gap:28px;margin:36px 0 0;border-top:2px solid var(--ink);
padding-top:20px}
.hero .figure{font-size:40px;font-weight:640;line-height:1.05;letter-spacing:-.03em}
.hero .first .figure{font-size:96px}
.hero .what{font-size:14px;color:var(--soft);margin-top:8px}
.hero .what b{color:var(--ink);font-weight:600;display:block;font-size:16px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:15px;margin:16px 0}
th,td{padding:8px 12px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft);font-size:13px;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:0;white-space:normal}
td.left,th.left{text-align:left}
.met{color:var(--met);font-weight:600}.missed{color:var(--missed);font-weight:600}.none{color:var(--soft)}
table.heat{border-collapse:separate;border-spacing:3px;width:auto;min-width:60%}
table.heat th,table.heat td{border:0}
table.heat td{border-radius:4px;text-align:center;padding:9px 6px;font-weight:600;min-width:72px}
table.heat td small{display:block;font-weight:400;font-size:11px;opacity:.85}
table.heat th[scope=row]{text-align:left;color:var(--ink);font-size:14px;padding-left:0;
vertical-align:middle;white-space:nowrap}
table.heat th[scope=col]{text-align:center;color:var(--ink);white-space:normal;padding:8px 4px}
table.heat th small{display:block;color:var(--soft);font-weight:400;font-size:11px}
table.heat td.out{font-weight:400;color:var(--soft);border:1px dashed var(--rule)}
table.heat td.worst{outline:3px solid var(--ink);outline-offset:-1px}
.q0{background:var(--h0);color:#fff}.q1{background:var(--h1);color:#16181d}.q2{background:var(--h2)}
.q3{background:var(--h3)}.q4{background:var(--h4)}.q5{background:var(--h5)}.q6{background:var(--h6);color:#0c0e12}
@media (prefers-color-scheme:dark){.q1,.q6{color:#fff}}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(360px,1fr));gap:40px;margin-top:16px}
figure{margin:0}
figure h3{font-size:16px;margin:0 0 2px}
svg{width:100%;height:auto;display:block;margin:8px 0;overflow:visible}
svg text{fill:var(--soft);font-size:12px}
svg.bar{width:160px;height:10px;display:inline-block;margin:0;vertical-align:middle}
.gridline{stroke:var(--rule)}.mark{stroke:var(--soft);stroke-dasharray:4 4}
.line{fill:none;stroke-width:2.5;stroke-linejoin:round}.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
.line.target{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:2 4}
.dot.a{fill:var(--a)}.dot.b{fill:var(--b)}.dot.soft{fill-opacity:.35;stroke:var(--a)}
.track{fill:var(--track)}.fill.a{fill:var(--a)}.fill.b{fill:var(--b)}
.key{font-size:14px;color:var(--soft)}.key i{display:inline-block;width:18px;
height:3px;vertical-align:middle;margin:0 6px 0 14px}
.key i:first-child{margin-left:0}.key .a{background:var(--a)}.key .b{background:var(--b)}
.key .target{background:var(--soft)}
details{margin:12px 0}summary{cursor:pointer;color:var(--soft)}
footer{margin-top:72px;border-top:1px solid var(--rule);padding-top:16px;font-size:13px;color:var(--soft);
overflow-wrap:anywhere}
@media (max-width:760px){.hero{grid-template-columns:1fr}.hero .first .figure{font-size:72px}main{padding:28px 16px}
.pair{grid-template-columns:1fr}}
@media print{main{max-width:none}.scroll{overflow:visible}}
"""
