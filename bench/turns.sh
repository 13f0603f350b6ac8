# Client credentials, introspection and userinfo of all servers in turns: a few seconds of one, then of the next, with all of them up, and of each the median. A machine that grows slower meanwhile
# would else make the server look worse that is asked last. On stores of its own. Sourced by run.sh.
turns=()
# turn NAME FIGURE URL SCRIPT ARGS...
turn() { turns+=("$(printf '%s\x1f' "$@")"); }

# tokens NAME TOKEN-ENDPOINT INTROSPECTION-ENDPOINT [SCOPES]
tokens() {
    introspection_of "$1" "$2" "$3" "" "${4:-api}"
    turn "$1" "client credentials" "$url$2" post "$form" "$work/service"
    turn "$1" introspection "$url$3" post "$form" "$work/introspection of $1"
}

# userinfo NAME COOKIES   of the first of the people
userinfo() {
    people "$2" "$url" "$folk" > "$work/cookies"
    turn "$1" userinfo "$url/connect/userinfo" get "$(people access-token "$url" "$(head -1 "$work/cookies")")"
}

# take_turns ROUNDS
take_turns() {
    local one of round figure median
    for one in "${turns[@]}"; do
        IFS=$'\x1f' read -ra of <<< "$one"
        warm "$warm" 16 "${of[@]:2}"
    done
    for figure in "client credentials" introspection userinfo; do
        for round in $(seq "$1"); do
            for one in "${turns[@]}"; do
                IFS=$'\x1f' read -ra of <<< "$one"
                [ "${of[1]}" = "$figure" ] || continue
                load "$seconds" 16 "${of[@]:2}"
                echo "  ${of[0]}, $figure, $round of $1: $rate/s, p99 $p99" >&2
                printf '%s\t%s\n' "$rate" "$p99" >> "$work/turns of ${of[0]}, $figure"
            done
        done
    done
    for one in "${turns[@]}"; do
        IFS=$'\x1f' read -ra of <<< "$one"
        median=$(sort -g "$work/turns of ${of[0]}, ${of[1]}" | sed -n "$((($1 + 1) / 2))p")
        if grep -q wrong "$work/turns of ${of[0]}, ${of[1]}"; then median=wrong; fi
        note "${of[0]}" "${of[1]}" "${median%%$'\t'*}" "$([ "$median" = wrong ] || echo "${median#*$'\t'}")"
    done
}

say "In turns"
for store in SQLite PostgreSQL; do
    arguments=()
    [ $store = SQLite ] || mapfile -t arguments < <(in_postgres ours_in_turns)
    ours "$store in turns" "${arguments[@]}"
    people register "$url" "$folk"
    tokens "Identity, $store" /connect/token /connect/introspect
    userinfo "Identity, $store" cookies
done
peer "bare pipeline" bare
tokens "bare pipeline" /connect/token /connect/introspect
peer "stock OpenIddict" stock "$(stock_in stock_in_turns)"
tokens "stock OpenIddict" /connect/token /connect/introspect
userinfo "stock OpenIddict" cookies-stock
oidc_provider
tokens oidc-provider /token /token/introspection "api opaque"
take_turns 5
