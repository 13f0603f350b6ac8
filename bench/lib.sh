# What bench/run.sh and its parts share: publishing, a PostgreSQL, servers, wrk, and notes of figures. Sourced, with $work as the folder of this run.
pids=()
finish() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
now() { date +%s%N; }
say() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS" >&2; }
note() { printf '%s\t%s\t%s\t%s\n' "$@" >> "$work/figures"; } # server, figure, value, p99
people() { python3 bench/people.py "$@"; }
json=application/json form=application/x-www-form-urlencoded

need() {
    local program
    for program in wrk node npm curl python3; do
        command -v "$program" >/dev/null || { echo "$program is missing: apt-get install wrk nodejs npm curl python3"; exit 1; }
    done
    postgres=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
    [ -n "$postgres" ] || { echo "postgresql is missing: apt-get install postgresql"; exit 1; }
}

# As deploy/Dockerfile does.
publish() {
    say "Publishing"
    dotnet publish src/Identity.Server -c Release --use-current-runtime --self-contained false -nologo -v q -clp:ErrorsOnly -o "$work/server"
    dotnet publish bench/peers -c Release -nologo -v q -clp:ErrorsOnly -o "$work/peers"
}

# start_postgres DATABASE...
start_postgres() {
    say "PostgreSQL"
    pg_port=$(free_port)
    as=()
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres "$work"; chmod 755 "$work"
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    fi
    "${as[@]}" "$postgres/initdb" -D "$work/pg" -U bench -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
    # Durable, as in production: fsync stays on. Old WAL stays too: commits are counted in it.
    "${as[@]}" "$postgres/postgres" -D "$work/pg" -p "$pg_port" -h 127.0.0.1 -k "$work" -c max_connections=200 -c shared_buffers=256MB -c wal_keep_size=512MB -c log_min_messages=fatal 2>"$work/pg.log" &
    pids+=($!)
    for _ in $(seq 100); do "$postgres/pg_isready" -q -h 127.0.0.1 -p "$pg_port" && break; sleep 0.1; done
    local name
    for name; do "$postgres/createdb" -h 127.0.0.1 -p "$pg_port" -U bench "$name"; done
}
sql() { "$postgres/psql" -X -q -t -A -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U bench "$@"; }

# start NAME URL-TO-WAIT-FOR COMMAND...   the process is $server, and $started the milliseconds to the first answer
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
resident() { awk -v what="$1" '$1 == what ":" { printf "%d", $2 / 1024 }' "/proc/$server/status"; } # VmRSS, RssAnon, in MB
stop() { note "$1" "MB after this load" "$(resident VmRSS)" ""; kill "$server"; wait "$server" 2>/dev/null || true; }

# load SECONDS CONNECTIONS URL SCRIPT ARGS...   sets $rate and $p99, and keeps what wrk said in $result; the rate is "wrong" if one answer was
load() {
    local time=$1 connections=$2 url=$3 script=$4 threads=2 result=${result:-$work/wrk}; shift 4
    [ "$connections" -gt 1 ] || threads=1
    local options=("-t$threads" "-c$connections" --latency --timeout 10s "-d${time}s")
    [ -z "$script" ] || options+=(-s "bench/wrk/$script.lua")
    wrk "${options[@]}" "$url" -- "$@" > "$result" 2> "$result.errors"
    rate=$(awk '/(Requests|Flows)\/sec/ { value = $2 } END { printf "%.2f", value }' "$result")
    p99=$(awk '$1 == "99%" { print $2 }' "$result")
    [ "$rate" != 0.00 ] || p99=
    if grep -q 'Non-2xx\|Socket errors' "$result" || [ -s "$result.errors" ]; then
        echo "$url: $(grep 'Non-2xx\|Socket errors' "$result" | tr -s ' ') $(head -c 300 "$result.errors")" >&2
        rate=wrong
    fi
}
warm() { load "$@" 2>/dev/null; }

# drive SERVER FIGURE URL SCRIPT ARGS...
drive() {
    local name=$1 figure=$2; shift 2
    load "$seconds" "${connections:-16}" "$@"
    echo "  $name, $figure: $rate/s, p99 $p99" >&2
    note "$name" "$figure" "$rate" "$p99"
}

# member NAME   of a JSON object on stdin
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
