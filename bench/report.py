# Turns the figures of bench/run.sh into a table and a picture.   report.py FIGURES FOLDER SECONDS
import datetime
import os
import sys
from xml.sax.saxutils import escape

figures, folder, seconds = sys.argv[1:4]
table, servers = {}, []
for line in open(figures):
    server, figure, value, p99 = line.rstrip("\n").split("\t")
    if server not in servers:
        servers.append(server)
    table[server, figure] = (value, p99)


def number(server, figure):
    try:
        return float(table[server, figure][0])
    except (KeyError, ValueError):
        return None


RATES = ["client credentials", "refresh", "introspection", "discovery"]
PEERS = {"client credentials": ["bare pipeline", "stock OpenIddict", "oidc-provider"], "refresh": ["stock OpenIddict"], "introspection": ["stock OpenIddict", "oidc-provider"], "discovery": ["oidc-provider"]}
out = [f"Measured {datetime.date.today()}, one run, wrk with 16 connections, {seconds} s a figure, {os.cpu_count()} cores shared with the load. Requests a second (p99).", ""]
out.append("| | " + " | ".join(RATES) + " | start, s | on an empty store, s | MB after load |")
out.append("|---" * (len(RATES) + 4) + "|")
for server in servers:
    row = []
    for figure in RATES:
        value = number(server, figure)
        row.append("-" if (server, figure) not in table else "wrong answers" if value is None else f"{value:,.0f} ({table[server, figure][1]})")
    for figure in ("start", "start, empty"):
        value = number(server, figure)
        row.append("-" if value is None else f"{value / 1000:.1f}")
    value = number(server, "memory")
    row.append("-" if value is None else f"{value:.0f}")
    out.append(f"| {server} | " + " | ".join(row) + " |")
out += ["", "Times the rate of:", "", "| | " + " | ".join(f"{figure}: {peer}" for figure in RATES for peer in PEERS[figure]) + " |", "|---" * (1 + sum(map(len, PEERS.values()))) + "|"]
for server in (s for s in servers if s.startswith("Identity")):
    row = []
    for figure in RATES:
        for peer in PEERS[figure]:
            ours, theirs = number(server, figure), number(peer, figure)
            row.append("-" if not ours or not theirs else f"{ours / theirs:.1f}")
    out.append(f"| {server} | " + " | ".join(row) + " |")
open(os.path.join(folder, "results.md"), "w").write("\n".join(out) + "\n")

BAR, GAP, LEFT = 18, 26, 170
shapes, y = [], 30
for figure in RATES:
    known = [(server, number(server, figure)) for server in servers if number(server, figure)]
    shapes.append(f'<text x="10" y="{y}" font-weight="600">{escape(figure)}, requests a second</text>')
    y += 12
    most = max((value for _, value in known), default=1)
    for server, value in known:
        width = value / most * 430
        colour = "#3a5bd9" if server.startswith("Identity") else "#9aa3b5"
        shapes.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(server)}</text><rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}" rx="3" fill="{colour}"/><text x="{LEFT + width + 6:.0f}" y="{y + 13}">{value:,.0f}</text>')
        y += BAR + 5
    y += GAP
svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {y}" font-family="system-ui, sans-serif" font-size="12" fill="#444b5a">' + "".join(shapes) + "</svg>\n"
open(os.path.join(folder, "results.svg"), "w").write(svg)
