# The figures of bench/run.sh. Sourced after servers.sh; each is of the server at $url and noted under NAME, the first argument.

# tokens_and_documents NAME TOKEN-ENDPOINT INTROSPECTION-ENDPOINT SECONDS-OF-WARM-UP [SCOPES]   what both are asked stands in turns
tokens_and_documents() {
    local name=$1 token=$url$2 introspect=$url$3
    warm "$4" 16 "$token" post "$form" "$work/service"
    introspection_of "$@"
    warm 3 16 "$introspect" post "$form" "$work/introspection of $name"
    drive "$name" discovery "$url/.well-known/openid-configuration" ""
}

# oidc-provider introspects only tokens that it kept; the others take the word for nothing.
introspection_of() {
    printf '%s\ttoken=%s\n' "$basic" "$(curl -s "$url$2" -H "Authorization: Basic $basic" -d "grant_type=client_credentials&scope=${5:-api}" | member access_token)" > "$work/introspection of $1"
}

# A public client: with a secret the figure of stock OpenIddict would be that of its PBKDF2.
code_flow() {
    warm "$warm" 16 "$url" code bench-app "$work/cookies"
    drive "$1" "code flow" "$url" code bench-app "$work/cookies"
}

# Families: each connection keeps rotating its own.
refresh_ours() {
    people tokens "$url" "$folk" > "$work/tokens"
    warm "$warm" 16 "$url/api/identity/refresh-token" refresh "$json" "$work/tokens" '{"refreshToken":"' '"}'
    people tokens "$url" "$folk" > "$work/tokens"
    drive "$1" refresh "$url/api/identity/refresh-token" refresh "$json" "$work/tokens" '{"refreshToken":"' '"}'
}
refresh_stock() {
    local _
    for _ in $(seq "$folk"); do
        curl -s "$url/connect/token" -H "Authorization: Basic $basic" -d "grant_type=urn:bench:family&scope=api offline_access" | member refresh_token
    done > "$work/tokens"
    drive "$1" refresh "$url/connect/token" refresh "$form" "$work/tokens" "client_id=bench&client_secret=$BENCH_SECRET&grant_type=refresh_token&refresh_token=" ""
}

# A hundred flows one after another, so that no commit is shared; counted in the write-ahead log, where reads leave nothing.
commits_a_flow() {
    local from to
    from=$(sql -c "SELECT pg_current_wal_insert_lsn()" postgres)
    people flows "$url" 100 "$(head -1 "$work/cookies")"
    to=$(sql -c "SELECT pg_current_wal_flush_lsn()" postgres)
    "${as[@]}" "$postgres/pg_waldump" -p "$work/pg/pg_wal" -s "$from" -e "$to" --rmgr=Transaction > "$work/commits"
    note "$1" "commits a flow" "$(awk '/desc: COMMIT/ { n++ } END { print n / 100 }' "$work/commits")" ""
}

# Right passwords, beside the hash alone in the seconds after, and what services notice of it: four connections that ask for a token every ten milliseconds.
sign_in() {
    local time=$((seconds * 2)) crowd
    people bodies "$folk" > "$work/passwords"
    # At a few a second the JIT takes its time, and what still waits for its hash afterwards is done before the figure begins.
    warm "$warm" 8 "$url/api/identity/login" post "$json" "$work/passwords"
    sleep 3
    connections=8 seconds=$time drive "$1" sign-in "$url/api/identity/login" post "$json" "$work/passwords"
    sleep 3
    note "$1" "password hashes alone" "$(dotnet "$work/peers/Peers.dll" hash "$time")" ""
    result=$work/crowd load $((seconds + 2)) 8 "$url/api/identity/login" post "$json" "$work/passwords" &
    crowd=$!
    sleep 1
    connections=4 drive "$1" "client credentials beside sign-ins" "$url/connect/token" post "$form" "$work/service" 10
    wait "$crowd"
}

everything_ours() {
    local name=$1
    tokens_and_documents "$name" /connect/token /connect/introspect "$warm"
    drive "$name" JWKS "$url/connect/jwks" ""
    people register "$url" "$folk"
    refresh_ours "$name"
    people cookies "$url" "$folk" > "$work/cookies"
    code_flow "$name"
    sign_in "$name"
}
