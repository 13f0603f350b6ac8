#!/usr/bin/env bash
# What a token of each format and algorithm costs beside ES256, on a server of its own that starts here and ends with this script.
#   bench/token-formats.sh [seconds a scenario]
set -euo pipefail
cd "$(dirname "$0")/.."
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
data=$(mktemp -d)
secret=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')

api() { printf '{"resource":"https://api.example.com/%s","scopes_supported":["%s"],"access_token_format":"%s","access_token_signed_response_alg":"%s"}' "$1" "$1" "$2" "$3"; }
echo "[$(api es256 jwt ES256),$(api rs256 jwt RS256),$(api ps256 jwt PS256),$(api reference reference ES256)]" > "$data/resources.json"
cat > "$data/clients.json" <<JSON
[{"client_id":"bench","client_secret":"$secret","grant_types":["client_credentials"],"scope":"es256 rs256 ps256 reference",
  "introspects":["https://api.example.com/es256","https://api.example.com/rs256","https://api.example.com/ps256","https://api.example.com/reference"]}]
JSON

dotnet build -c Release -nologo -v q -clp:ErrorsOnly src/Identity.Server
dotnet build -c Release -nologo -v q -clp:ErrorsOnly bench/Identity.Bench
dotnet src/Identity.Server/bin/Release/net10.0/Identity.Server.dll --environment Development --PORT "$port" --DATA_DIR "$data" \
    --CLIENTS_FILE "$data/clients.json" --RESOURCES_FILE "$data/resources.json" > "$data/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$data"' EXIT
for _ in $(seq 150); do
    curl -sf -o /dev/null "http://localhost:$port/health/ready" && break
    kill -0 $server || { cat "$data/log"; exit 1; }
    sleep 0.2
done
dotnet bench/Identity.Bench/bin/Release/net10.0/Identity.Bench.dll "http://localhost:$port" bench "$secret" "${1:-10}" es256 rs256 ps256 reference
