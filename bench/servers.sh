# The servers of bench/run.sh, each on a free port of loopback. Sourced after lib.sh.
BENCH_SECRET=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
export BENCH_SECRET
basic=$(printf 'bench:%s' "$BENCH_SECRET" | base64 -w0)
printf '%s\tgrant_type=client_credentials&scope=api\n' "$basic" > "$work/service"
folk=18 # people, each with a session and a refresh family: one for each connection, and those that wrk only tries its script with

# ours NAME ARGS...   ES256 for the ID token, as the peers sign it
ours() {
    local name=$1; shift
    local port data=$work/$name
    port=$(free_port)
    url=http://localhost:$port
    mkdir -p "$data"
    cat > "$data/clients.json" <<JSON
[{"client_id":"bench","client_secret":"$BENCH_SECRET","grant_types":["client_credentials"],"scope":"api","introspects":["*"]},
 {"client_id":"bench-app","token_endpoint_auth_method":"none","redirect_uris":["https://app.example.com/callback"],"grant_types":["authorization_code","refresh_token"],
  "scope":"openid offline_access","id_token_signed_response_alg":"ES256"}]
JSON
    echo '[{"resource":"https://api.example.com/bench","scopes_supported":["api"]}]' > "$data/resources.json"
    start "$name" "$url/.well-known/openid-configuration" dotnet "$work/server/Identity.Server.dll" --environment Development --PORT "$port" --DATA_DIR "$data" \
        --CLIENTS_FILE "$data/clients.json" --RESOURCES_FILE "$data/resources.json" --Accounts:SignInsPerAddress 1000000 --Accounts:RegistrationsPerAddress 1000000 "$@"
}
# in_postgres DATABASE   the arguments of ours that keep it there
in_postgres() { printf '%s\n' --DB_PROVIDER postgres --DB_HOST "127.0.0.1:$pg_port" --DB_NAME "$1" --DB_USERNAME bench --DB_PASSWORD bench --DB_TLS off; }

# stock_in DATABASE   where stock OpenIddict keeps its own
stock_in() { echo "Host=127.0.0.1;Port=$pg_port;Username=bench;Database=$1;Maximum Pool Size=50"; }

# peer NAME MODE ARGS...
peer() {
    local name=$1 mode=$2 port; shift 2
    port=$(free_port)
    url=http://localhost:$port
    start "$name" "$url/1" dotnet "$work/peers/Peers.dll" "$mode" "$url" "$@"
    note "$name" "ms to the first answer" "$started" ""
}

oidc_provider() {
    local port
    port=$(free_port)
    url=http://127.0.0.1:$port
    (cd bench/oidc-provider && npm install --no-audit --no-fund --silent)
    start oidc-provider "$url/.well-known/openid-configuration" env NODE_ENV=production node bench/oidc-provider/server.mjs "$port"
    note oidc-provider "ms to the first answer" "$started" ""
}
