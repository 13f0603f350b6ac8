# Memory while everything is asked for at once, for an hour: a line a minute in artifacts/bench/hour.md. bench/run.sh --hour [minutes] [sqlite|postgres]
# Tokens, sessions and codes are fresh ones each minute, as those of many people are.
minutes=${1:-60} store=${2:-sqlite}
kinds=("client credentials" refresh introspection userinfo "code flow" discovery sign-in)
publish
arguments=()
if [ "$store" = postgres ]; then
    start_postgres ours
    mapfile -t arguments < <(in_postgres ours)
fi
management=$(free_port)
say "This server, $store, $minutes minutes"
ours hour "${arguments[@]}" --MANAGEMENT_PORT "$management"
people register "$url" "$folk"
people bodies "$folk" > "$work/passwords"

# kind FIGURE CONNECTIONS PATH SCRIPT ARGS...   one of the loads of a minute, beside the others
kind() {
    local figure=$1 connections=$2 path=$3; shift 3
    { result=$work/$figure load 50 "$connections" "$url$path" "$@"; echo "$rate" > "$work/$figure.rate"; } &
    loads+=($!)
}
managed() { curl -s "http://127.0.0.1:$management/metrics" | awk '/^dotnet_gc_last_collection_heap_size_bytes/ { bytes += $2 } END { printf "%d", bytes / 1048576 }'; }

{
    echo "All at once on $store, from $(date -u '+%F %R') UTC, $(nproc) cores shared with the load: 2 connections for each but sign-ins, which come about once a second. Requests (flows) a second within the minute; memory at its end, in MB."
    echo
    echo "| minute | resident | of it anonymous | managed heap | $(printf '%s | ' "${kinds[@]}")"
    echo "|---|---|---|---|$(printf -- '---|%.0s' "${kinds[@]}")"
} > "$out/hour.md"
for minute in $(seq "$minutes"); do
    began=$SECONDS
    people tokens "$url" "$folk" > "$work/tokens"
    people cookies "$url" "$folk" > "$work/cookies"
    people service-tokens "$url" 500 | awk -v basic="$basic" '{ print basic "\ttoken=" $1 }' > "$work/introspection-tokens"
    loads=()
    kind "client credentials" 2 /connect/token post "$form" "$work/service"
    kind refresh 2 /api/identity/refresh-token refresh "$json" "$work/tokens" '{"refreshToken":"' '"}'
    kind introspection 2 /connect/introspect post "$form" "$work/introspection-tokens"
    kind userinfo 2 /connect/userinfo get "$(people access-token "$url" "$(head -1 "$work/cookies")")"
    kind "code flow" 2 "" code bench-app "$work/cookies"
    kind discovery 2 /.well-known/openid-configuration ""
    kind sign-in 1 /api/identity/login post "$json" "$work/passwords" 1000
    wait "${loads[@]}"
    rates=$(for figure in "${kinds[@]}"; do printf '%s | ' "$(cat "$work/$figure.rate")"; done)
    echo "| $minute | $(resident VmRSS) | $(resident RssAnon) | $(managed) | $rates" | tee -a "$out/hour.md" >&2
    [ $((SECONDS - began)) -ge 60 ] || sleep $((60 - SECONDS + began))
done
kill "$server"
cat "$out/hour.md"
