# Turns the figures of bench/run.sh into tables and a picture.   report.py FIGURES FOLDER NAME SECONDS   writes NAME.md and NAME.svg
import datetime
import os
import sys
from xml.sax.saxutils import escape

figures, folder, name, seconds = sys.argv[1:]
table, servers = {}, []
for line in open(figures):
    server, figure, value, p99 = line.rstrip("\n").split("\t")
    if server not in servers:
        servers.append(server)
    table.setdefault((server, figure), (value, p99))  # of starts the first, when nothing else was up
ours = [server for server in servers if server.startswith("Identity")]

# What is measured, and in what.
FIGURES = [
    ("client credentials", "requests a second"), ("refresh", "requests a second"), ("introspection", "requests a second"), ("userinfo", "requests a second"), ("code flow", "flows a second"),
    ("discovery", "requests a second"), ("JWKS", "requests a second"), ("sign-in", "sign-ins a second"), ("client credentials beside sign-ins", "requests a second"),
]
# What is to stay below.
LIMITS = [("commits a flow", 3), ("p99 of client credentials beside sign-ins, ms", 20), ("ms to the first answer", 1000), ("ms to the first answer, empty store", 2500)]
# Our figure, whose (empty: our own), their figure, how many times theirs it is to be.
GOALS = [
    ("client credentials", "bare pipeline", "client credentials", 1), ("client credentials", "stock OpenIddict", "client credentials", 30), ("client credentials", "oidc-provider", "client credentials", 2.8),
    ("refresh", "stock OpenIddict", "refresh", 10),
    ("introspection", "stock OpenIddict", "introspection", 10), ("introspection", "oidc-provider", "client credentials", 1.5),
    ("userinfo", "stock OpenIddict", "userinfo", 10), ("userinfo", "oidc-provider", "client credentials", 1.5),
    ("code flow", "stock OpenIddict", "code flow", 5),
    ("discovery", "ceiling", "discovery", 0.6), ("JWKS", "ceiling", "JWKS", 0.6),
    ("sign-in", "", "password hashes alone", 0.95),
]
if name == "large":
    GOALS = [(figure, ours[0], figure, 1) for figure, _ in FIGURES]


def number(server, figure):
    try:
        return float(table[server, figure][0])
    except (KeyError, ValueError):
        return None


def milliseconds(p99):
    """Of what wrk says: 900us, 5.10ms, 1.20s."""
    for unit, factor in (("us", 0.001), ("ms", 1), ("s", 1000)):
        if p99.endswith(unit):
            return f"{float(p99.removesuffix(unit)) * factor:.2f}"
    return "-"


def short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def cell(server, figure):
    if (server, figure) not in table:
        return "-"
    value, p99 = table[server, figure]
    return "wrong answers" if number(server, figure) is None else short(float(value)) + (f" ({p99})" if p99 else "")


def row(title, cells):
    cells = list(cells)
    return [f"| {title} | " + " | ".join(cells) + " |"] if any(cell != "-" for cell in cells) else []


def header(title, columns):
    return [f"| {title} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]


for server in servers:
    if (server, "client credentials beside sign-ins") in table:
        table[server, "p99 of client credentials beside sign-ins, ms"] = (milliseconds(table[server, "client credentials beside sign-ins"][1]), "")
out = [f"Measured {datetime.date.today()}, one run, wrk with 16 connections, {seconds} s a figure, {os.cpu_count()} cores shared with the load. A second (p99 of a request).", ""]
out += header("", servers)
for figure, _ in FIGURES:
    out += row(figure, (cell(server, figure) for server in servers))
for figure in ("password hashes alone", "commits a flow", "ms to the first answer", "ms to the first answer, empty store", "MB after this load"):
    out += row(figure, (cell(server, figure) for server in servers))
if name == "results":
    out += ["", "Eight connections sign in. Client credentials beside them come at a fixed pace, over four. The hash alone runs right after them, on as many threads as there are cores. The ceiling is a web server that writes as many fixed bytes."]
if name in ("results", "turns"):
    out += ["", "Client credentials, introspection and userinfo: five times in turns with all servers up, of each the median; of a start the first."]
out.append("")
out += header("times the rate of", [*ours, "goal"])
for figure, peer, theirs, goal in GOALS:
    bases = [number(peer or server, theirs) for server in ours]
    if any(bases):
        shares = [f"{number(server, figure) / base:.2f}" if base and number(server, figure) else "-" for server, base in zip(ours, bases)]
        out += row(f"{figure}: " + ", ".join(part for part in (peer, "" if theirs == figure else theirs) if part), [*shares, str(goal)])
if name == "results":
    out += ["", *header("", [*ours, "at most"])]
    for figure, limit in LIMITS:
        out += row(figure, [*(cell(server, figure) for server in ours), f"{limit:,}"])
open(os.path.join(folder, name + ".md"), "w").write("\n".join(out) + "\n")

BAR, GAP, LEFT = 18, 26, 170
shapes, y = [], 30
for figure, unit in FIGURES:
    known = [(server, number(server, figure)) for server in servers if number(server, figure)]
    if not known:
        continue
    shapes.append(f'<text x="10" y="{y}" font-weight="600">{escape(figure)}, {unit}</text>')
    y += 12
    most = max(value for _, value in known)
    for server, value in known:
        width = value / most * 430
        colour = "#3a5bd9" if server in ours else "#9aa3b5"
        shapes.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(server)}</text><rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}" rx="3" fill="{colour}"/><text x="{LEFT + width + 6:.0f}" y="{y + 13}">{short(value)}</text>')
        y += BAR + 5
    y += GAP
svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {y}" font-family="system-ui, sans-serif" font-size="12" fill="#444b5a">' + "".join(shapes) + "</svg>\n"
open(os.path.join(folder, name + ".svg"), "w").write(svg)
