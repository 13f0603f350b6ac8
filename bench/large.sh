# Cost as work grows: one load on two stores in PostgreSQL, one with 1,000 accounts, families and clients, the other with 1,000,000 (LARGE says another number). bench/run.sh --large
# The load is of 1,000 of each in both, spread over all that is there: what they cost to find is measured, not how many of them the caches hold.
seconds=${1:-10} warm=${2:-30}
used=1000
publish
start_postgres small large

# fill STORE COUNT   in twenty parts, with sign-ins after each: families that the server began lie among the copies, as if it had taken weeks
fill() {
    local store=$1 count=$2 part first last step
    part=$((count / 20)) step=$((count / used))
    people register "$url" 1
    people tokens "$url" 1 > "$work/tokens"
    for first in $(seq 1 "$part" "$count"); do
        last=$((first + part - 1))
        sql -v first="$first" -v last="$last" -f bench/large.sql "$store"
        people copies "$url" "$first" "$last" "$step"
    done > "$work/$store.tokens"
    cut -d' ' -f1 "$work/$store.tokens" > "$work/$store.refresh"
    awk -v basic="$basic" '{ print basic "\ttoken=" $2 }' "$work/$store.tokens" > "$work/$store.introspection"
    people services 1 "$count" "$step" > "$work/$store.services"
    sql -c "VACUUM (ANALYZE)" "$store"
    sql -c "SELECT (SELECT count(*) FROM accounts) || ' accounts, ' || (SELECT count(*) FROM authorizations) || ' families, ' || (SELECT count(*) FROM applications) || ' clients'" "$store" >&2
}

# both FIGURE PATH SCRIPT ARGS...   with STORE in an argument for the store's name; after a warm-up, one store after the other
both() {
    local figure=$1 path=$2 store; shift 2
    for store in small large; do warm "$warm" 16 "${urls[$store]}$path" "${@//STORE/$store}"; done
    [ "$figure" != refresh ] || for store in small large; do people copies "${urls[$store]}" 1 "${counts[$store]}" $((counts[$store] / used)) | cut -d' ' -f1 > "$work/$store.refresh"; done
    for store in small large; do drive "${names[$store]}" "$figure" "${urls[$store]}$path" "${@//STORE/$store}"; done
}

declare -A counts=([small]=1000 [large]=${LARGE:-1000000}) names=() urls=()
for store in small large; do
    names[$store]=$(python3 -c 'import sys; print(f"Identity, {int(sys.argv[1]):,}")' "${counts[$store]}")
    say "${names[$store]} of each"
    mapfile -t arguments < <(in_postgres "$store")
    # The hash is not what is measured.
    ours "$store" "${arguments[@]}" --Accounts:PasswordHashIterations 1000
    urls[$store]=$url
    fill "$store" "${counts[$store]}"
done
sql -c CHECKPOINT postgres
both "client credentials" /connect/token post "$form" "$work/STORE.services"
both introspection /connect/introspect post "$form" "$work/STORE.introspection"
both refresh /api/identity/refresh-token refresh "$json" "$work/STORE.refresh" '{"refreshToken":"' '"}'

python3 bench/report.py "$work/figures" "$out" large "$seconds"
cat "$out/large.md"
