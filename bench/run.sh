#!/usr/bin/env bash
# This server, OpenIddict's bare pipeline, stock OpenIddict on PostgreSQL and npm oidc-provider, one after another in one run, each driven by wrk.
# Figures drift between machines and hours: only the ratios within a run say something.
#   bench/run.sh [seconds a figure] [seconds of warm-up]      writes artifacts/bench/results.md and results.svg
# Needs wrk, postgresql, node and npm. Servers listen on loopback and end with this script.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10} warm=${2:-30}
out=artifacts/bench
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"' EXIT
for program in wrk node npm curl; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt-get install wrk nodejs npm curl"; exit 1; }
done
postgres=$(ls -d /usr/lib/postgresql/*/bin | tail -1) || { echo "postgresql is missing: apt-get install postgresql"; exit 1; }
mkdir -p "$out"
: > "$work/figures"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
now() { date +%s%N; }
say() { printf '\n== %s\n' "$*" >&2; }
note() { printf '%s\t%s\t%s\t%s\n' "$@" >> "$work/figures"; } # server, figure, value, p99

BENCH_SECRET=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
export BENCH_SECRET
basic=$(printf 'bench:%s' "$BENCH_SECRET" | base64 -w0)

say "Publishing"
rid=$(dotnet --info | sed -nE 's/^ *RID: *([^ ]+).*/\1/p' | head -1)
[[ $rid == linux-* ]] || rid=linux-x64
dotnet publish src/Identity.Server -c Release -r "$rid" --self-contained false -nologo -v q -clp:ErrorsOnly -o "$work/server"
dotnet publish bench/peers -c Release -nologo -v q -clp:ErrorsOnly -o "$work/peers"
(cd bench/oidc-provider && npm install --no-audit --no-fund --silent)

say "PostgreSQL"
pg_port=$(free_port)
as=()
if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$work"; chmod 755 "$work"
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
"${as[@]}" "$postgres/initdb" -D "$work/pg" -U bench -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
# Durable, as in production: fsync stays on.
"${as[@]}" "$postgres/postgres" -D "$work/pg" -p "$pg_port" -h 127.0.0.1 -k "$work" -c max_connections=200 -c shared_buffers=256MB -c log_min_messages=fatal 2>"$work/pg.log" &
pids+=($!)
for _ in $(seq 100); do "$postgres/pg_isready" -q -h 127.0.0.1 -p "$pg_port" && break; sleep 0.1; done
for name in ours stock; do "$postgres/createdb" -h 127.0.0.1 -p "$pg_port" -U bench "$name"; done

# start NAME URL-TO-WAIT-FOR COMMAND...   notes the seconds to the first answer
start() {
    local name=$1 url=$2 began; shift 2
    began=$(now)
    "$@" > "$work/$name.log" 2>&1 &
    server=$!
    pids+=("$server")
    until curl -s -o /dev/null "$url"; do
        kill -0 "$server" 2>/dev/null || { cat "$work/$name.log" >&2; exit 1; }
        sleep 0.02
    done
    started=$(( ($(now) - began) / 1000000 ))
}
stop() { note "$1" memory "$(awk '/VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$server/status")" ""; kill "$server"; wait "$server" 2>/dev/null || true; }

# drive SERVER FIGURE URL SCRIPT ARGS...
drive() {
    local name=$1 figure=$2 url=$3 script=$4; shift 4
    local options=(-t2 -c16 --latency)
    [ -n "$script" ] && options+=(-s "bench/wrk/$script")
    wrk "${options[@]}" -d"${seconds}s" "$url" -- "$@" > "$work/wrk" 2> "$work/wrk.errors"
    local rate p99
    rate=$(awk '/Requests\/sec/ { print $2 }' "$work/wrk")
    p99=$(awk '$1 == "99%" { print $2 }' "$work/wrk")
    if grep -q 'Non-2xx' "$work/wrk"; then
        echo "$name $figure: $(grep 'Non-2xx' "$work/wrk"); $(head -c 300 "$work/wrk.errors")" >&2
        rate=wrong
    fi
    echo "  $name $figure: $rate/s, p99 $p99" >&2
    note "$name" "$figure" "$rate" "$p99"
}

# member NAME   of a JSON object on stdin
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Tokens of a server with an OpenIddict token endpoint, then its four figures.
form="grant_type=client_credentials&scope=api"
measure() {
    local name=$1 url=$2
    wrk -t2 -c16 -d"${warm}s" -s bench/wrk/post.lua "$url/connect/token" -- "$basic" "$form" > /dev/null 2>&1
    drive "$name" "client credentials" "$url/connect/token" post.lua "$basic" "$form"
    token=$(curl -s "$url/connect/token" -H "Authorization: Basic $basic" -d "$form" | member access_token)
    wrk -t2 -c16 -d5s -s bench/wrk/post.lua "$url/connect/introspect" -- "$basic" "token=$token" > /dev/null 2>&1
    drive "$name" introspection "$url/connect/introspect" post.lua "$basic" "token=$token"
    drive "$name" discovery "$url/.well-known/openid-configuration" ""
}

# Families: each connection keeps rotating its own.
refresh_ours() {
    local name=$1 url=$2
    for i in $(seq 32); do
        curl -s "$url/api/identity/register" -H 'Content-Type: application/json' -d "{\"email\":\"bench$i@example.com\",\"password\":\"a sound pass phrase $i\"}" > /dev/null
        curl -s "$url/api/identity/login" -H 'Content-Type: application/json' -d "{\"email\":\"bench$i@example.com\",\"password\":\"a sound pass phrase $i\"}" | member refreshToken
    done > "$work/tokens"
    wrk -t2 -c16 -d5s -s bench/wrk/refresh.lua "$url/api/identity/refresh-token" -- application/json "$work/tokens" '{"refreshToken":"' '"}' > /dev/null 2>&1
    for i in $(seq 32); do
        curl -s "$url/api/identity/login" -H 'Content-Type: application/json' -d "{\"email\":\"bench$i@example.com\",\"password\":\"a sound pass phrase $i\"}" | member refreshToken
    done > "$work/tokens"
    drive "$name" refresh "$url/api/identity/refresh-token" refresh.lua application/json "$work/tokens" '{"refreshToken":"' '"}'
}

ours() {
    local name=$1 port; shift
    port=$(free_port)
    mkdir -p "$work/$name"
    cat > "$work/$name/clients.json" <<JSON
[{"client_id":"bench","client_secret":"$BENCH_SECRET","grant_types":["client_credentials"],"scope":"api","introspects":["https://api.example.com/bench"]}]
JSON
    echo '[{"resource":"https://api.example.com/bench","scopes_supported":["api"]}]' > "$work/$name/resources.json"
    local command=(dotnet "$work/server/Identity.Server.dll" --environment Development --PORT "$port" --DATA_DIR "$work/$name" --CLIENTS_FILE "$work/$name/clients.json"
        --RESOURCES_FILE "$work/$name/resources.json" --Accounts:SignInsPerAddress 100000 --Accounts:RegistrationsPerAddress 100000 "$@")
    say "This server, $name"
    start "$name" "http://127.0.0.1:$port/.well-known/openid-configuration" "${command[@]}"
    note "$name" "start, empty" "$started" ""
    kill "$server"; wait "$server" 2>/dev/null || true
    start "$name" "http://127.0.0.1:$port/.well-known/openid-configuration" "${command[@]}"
    note "$name" start "$started" ""
    measure "$name" "http://localhost:$port"
    refresh_ours "$name" "http://localhost:$port"
    stop "$name"
}

ours "Identity, SQLite"
ours "Identity, PostgreSQL" --DB_PROVIDER postgres --DB_HOST "127.0.0.1:$pg_port" --DB_NAME ours --DB_USERNAME bench --DB_PASSWORD bench --DB_TLS off

say "OpenIddict's bare pipeline"
port=$(free_port)
start "bare pipeline" "http://127.0.0.1:$port/.well-known/openid-configuration" dotnet "$work/peers/Peers.dll" bare "http://127.0.0.1:$port"
note "bare pipeline" start "$started" ""
measure "bare pipeline" "http://127.0.0.1:$port"
stop "bare pipeline"

say "Stock OpenIddict, PostgreSQL"
port=$(free_port)
start "stock OpenIddict" "http://127.0.0.1:$port/.well-known/openid-configuration" dotnet "$work/peers/Peers.dll" stock "http://127.0.0.1:$port" "Host=127.0.0.1;Port=$pg_port;Username=bench;Database=stock;Maximum Pool Size=50"
note "stock OpenIddict" start "$started" ""
measure "stock OpenIddict" "http://127.0.0.1:$port"
for i in $(seq 32); do
    curl -s "http://127.0.0.1:$port/connect/token" -H "Authorization: Basic $basic" -d "grant_type=urn:bench:family&scope=api offline_access" | member refresh_token
done > "$work/tokens"
drive "stock OpenIddict" refresh "http://127.0.0.1:$port/connect/token" refresh.lua application/x-www-form-urlencoded "$work/tokens" "client_id=bench&client_secret=$BENCH_SECRET&grant_type=refresh_token&refresh_token=" ""
stop "stock OpenIddict"

say "npm oidc-provider"
port=$(free_port)
start oidc-provider "http://127.0.0.1:$port/.well-known/openid-configuration" env NODE_ENV=production node bench/oidc-provider/server.mjs "$port"
note oidc-provider start "$started" ""
url="http://127.0.0.1:$port"
wrk -t2 -c16 -d10s -s bench/wrk/post.lua "$url/token" -- "$basic" "$form" > /dev/null 2>&1
drive oidc-provider "client credentials" "$url/token" post.lua "$basic" "$form"
token=$(curl -s "$url/token" -H "Authorization: Basic $basic" -d "$form opaque" | member access_token)
drive oidc-provider introspection "$url/token/introspection" post.lua "$basic" "token=$token"
drive oidc-provider discovery "$url/.well-known/openid-configuration" ""
stop oidc-provider

python3 bench/report.py "$work/figures" "$out" "$seconds"
cat "$out/results.md"
