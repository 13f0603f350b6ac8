#!/usr/bin/env bash
# This server, OpenIddict's bare pipeline, stock OpenIddict on PostgreSQL and npm oidc-provider, one after another and in turns in one run, each driven by wrk.
# Figures drift between machines and hours: only the ratios within a run say something.
#   bench/run.sh [seconds a figure] [seconds of warm-up]          writes artifacts/bench/results.md and results.svg
#   bench/run.sh --turns [seconds a figure] [seconds of warm-up]  of it what runs in turns (bench/turns.sh): turns.md and turns.svg
#   bench/run.sh --large [seconds a figure] [seconds of warm-up]  1,000 and 1,000,000 accounts, families and clients: large.md and large.svg
#   bench/run.sh --hour [minutes] [sqlite|postgres]               all of it at once, and the memory each minute: hour.md
# Needs wrk, postgresql, node and npm. Servers listen on loopback and end with this script.
set -euo pipefail
cd "$(dirname "$0")/.."
out=artifacts/bench
mkdir -p "$out"
work=$(mktemp -d)
: > "$work/figures"
. bench/lib.sh
trap finish EXIT
need
. bench/servers.sh
. bench/figures.sh
report() { python3 bench/report.py "$work/figures" "$out" "$1" "$seconds"; cat "$out/$1.md"; }
case "${1:-}" in
    --turns)
        seconds=${2:-5} warm=${3:-45} # the runtime goes on compiling that long
        publish
        start_postgres ours_in_turns stock_in_turns
        . bench/turns.sh
        report turns
        exit
        ;;
    --large) shift; . bench/large.sh; exit ;;
    --hour) shift; . bench/hour.sh; exit ;;
esac
seconds=${1:-10} warm=${2:-30}
publish
start_postgres ours stock ours_in_turns stock_in_turns

for store in SQLite PostgreSQL; do
    name="Identity, $store"
    say "This server, $store"
    arguments=()
    [ $store = SQLite ] || mapfile -t arguments < <(in_postgres ours)
    ours "$name" "${arguments[@]}"
    note "$name" "ms to the first answer, empty store" "$started" ""
    kill "$server"; wait "$server" 2>/dev/null || true
    ours "$name" "${arguments[@]}"
    note "$name" "ms to the first answer" "$started" ""
    everything_ours "$name"
    [ $store = SQLite ] || commits_a_flow "$name"
    sizes=$(for document in .well-known/openid-configuration connect/jwks; do curl -s "$url/$document" | wc -c; done)
    stop "$name"
done

say "What is possible here: as many fixed bytes"
# shellcheck disable=SC2086 # a size each
peer ceiling fixed $sizes
warm 3 16 "$url/1" ""
drive ceiling discovery "$url/1" ""
drive ceiling JWKS "$url/2" ""
stop ceiling

say "OpenIddict's bare pipeline"
peer "bare pipeline" bare
tokens_and_documents "bare pipeline" /connect/token /connect/introspect "$warm"
stop "bare pipeline"

say "Stock OpenIddict, PostgreSQL"
name="stock OpenIddict"
peer "$name" stock "$(stock_in stock)"
tokens_and_documents "$name" /connect/token /connect/introspect "$warm"
refresh_stock "$name"
people cookies-stock "$url" "$folk" > "$work/cookies"
code_flow "$name"
stop "$name"

say "npm oidc-provider"
oidc_provider
tokens_and_documents oidc-provider /token /token/introspection 10 "api opaque"
stop oidc-provider

. bench/turns.sh
report results
