#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Ends with a line "N passed, N failed, N skipped".
#   ./test.sh                 everything
#   ./test.sh Data Worker     only tests/Identity.Data.Tests and tests/Identity.Worker.Tests; Http is tests/Identity.Tests
#   ./test.sh --long …        the same tests at full length, before a release: 100,000 requests, users and exports, a million accounts, fifty kills, a minute's
#                             outages, bounds on time, and the version before on this one's schema.
# IDENTITY_TEST_REQUIRE_SERVICES=1 makes a test fail, not skip, when its server, browser or Node is missing.
# IDENTITY_TEST_NO_INSTALL=1 leaves the machine's packages alone.
set -uo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

session=4500000 short=(DOTNET_TieredPGO=0 DOTNET_TC_CallCounting=0)
if [ "${1:-}" = --long ]; then
    shift
    session=14400000 short=()
    export IDENTITY_TEST_FUZZ="${IDENTITY_TEST_FUZZ:-100000}" IDENTITY_TEST_IMPORT="${IDENTITY_TEST_IMPORT:-100000}" IDENTITY_TEST_EXPORT="${IDENTITY_TEST_EXPORT:-100000}" \
        IDENTITY_TEST_ACCOUNTS="${IDENTITY_TEST_ACCOUNTS:-1000000}" IDENTITY_TEST_OTP_REQUESTS="${IDENTITY_TEST_OTP_REQUESTS:-10000}" IDENTITY_TEST_KILLS="${IDENTITY_TEST_KILLS:-50}" \
        IDENTITY_TEST_OUTAGE_SECONDS="${IDENTITY_TEST_OUTAGE_SECONDS:-60}" IDENTITY_TEST_TIMES=1 \
        IDENTITY_TEST_VERSION_BEFORE="${IDENTITY_TEST_VERSION_BEFORE:-$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD^)}"
fi

install_packages() {
    local missing=()
    command -v javac >/dev/null || missing+=(default-jdk-headless)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v redis-server >/dev/null || missing+=(redis-server)
    [ -x /usr/sbin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing+=(rabbitmq-server)
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
    command -v chromium >/dev/null || missing+=(chromium)
    [ -x /usr/bin/pdftotext ] || missing+=(poppler-utils)
    command -v oathtool >/dev/null || missing+=(oathtool)
    command -v soffice >/dev/null || missing+=(libreoffice-calc-nogui)
    [ -f /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(apache2 libapache2-mod-auth-openidc)
    /usr/bin/python3 -c "import flask, jwt, cryptography" 2>/dev/null || missing+=(python3-flask python3-jwt python3-cryptography)
    [ -x /usr/bin/go ] && [ -d /usr/share/gocode/src/github.com/coreos/go-oidc ] || missing+=(golang-go golang-github-coreos-go-oidc-dev)
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        echo "Missing: ${missing[*]}. Install them; tests that need them are skipped until then."
        return 0
    fi
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "Missing: ${missing[*]}. Install them as root; tests that need them are skipped until then."; return 0; }
        sudo="sudo"
    fi
    say "Installing ${missing[*]}"
    # The tests start servers of their own; the ones that the packages would start are not wanted.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null && $sudo chmod +x /usr/sbin/policy-rc.d
        trap '$sudo rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
        || echo "Some packages could not be installed; tests that need them say so."
}

install_node_modules() {
    command -v npm >/dev/null || return 0
    local dir
    while IFS= read -r dir; do
        [ -d "$dir/node_modules/.bin" ] || [ -f "$dir/node_modules/.package-lock.json" ] && continue
        say "npm packages of $dir"
        (cd "$dir" && { [ -f package-lock.json ] && npm ci --no-audit --no-fund --silent || npm install --no-audit --no-fund --silent; }) || return 1
    done < <(git ls-files -co --exclude-standard '*/package.json' ':!bench' | xargs -r -n1 dirname)
}

[ "${IDENTITY_TEST_NO_INSTALL:-}" = 1 ] || install_packages
install_node_modules || { echo "npm could not install the test clients."; echo "0 passed, 1 failed"; exit 1; }

say "Building"
if ! dotnet build Identity.sln -c Release -nologo -v q -clp:ErrorsOnly; then
    echo "0 passed, 1 failed"
    exit 1
fi

projects=()
if [ $# -gt 0 ]; then
    for name in "$@"; do
        [ "$name" = Http ] && project=tests/Identity.Tests/Identity.Tests.csproj || project=$(ls tests/Identity."$name".Tests/*.csproj 2>/dev/null | head -1)
        [ -n "$project" ] || { echo "There are no tests called $name."; echo "0 passed, 1 failed"; exit 1; }
        projects+=("$project")
    done
else
    projects=(tests/*/*.Tests.csproj)
fi

# Half of the time goes by waiting for brokers, databases and browsers: the tests over HTTP run beside the others, each in a process of its own.
# Most of what they and the browser run runs a few times: making it fast would cost a seventh of the processor's time, and a fifth of the browser's server's.
# What has bounds on time is in the long suite.
logs=$(mktemp -d)
run() {
    local name=$1 log status quick=()
    name=$(basename "$name" .csproj) log=$logs/$name
    case $name in Identity.Tests | Identity.Browser.Tests) quick=("${short[@]}") ;; esac
    env "${quick[@]}" dotnet test "$1" -c Release --no-build --nologo --logger "console;verbosity=minimal" -- RunConfiguration.TestSessionTimeout=$session > "$log" 2>&1
    status=$?
    echo "$status" > "$log.status"
    say "$name"
    grep -vE '\[SKIP\]|^  Skipped ' "$log"
}
http=() others=()
for project in "${projects[@]}"; do
    case $project in */Identity.Tests.csproj) http+=("$project") ;; *) others+=("$project") ;; esac
done
say "Testing"
for project in "${http[@]}"; do run "$project"; done &
for project in "${others[@]}"; do run "$project"; done
wait

passed=0 failed=0 skipped=0
failures=$(mktemp)
for project in "${projects[@]}"; do
    name=$(basename "$project" .csproj) log=$logs/$(basename "$project" .csproj)
    # "Passed!  - Failed:     0, Passed:    42, Skipped:     1, Total:    43, …"
    summary=$(grep -E 'Failed: +[0-9]+, Passed: +[0-9]+' "$log" | tail -1)
    f=$(sed -nE 's/.*Failed: +([0-9]+),.*/\1/p' <<<"$summary"); p=$(sed -nE 's/.*Passed: +([0-9]+),.*/\1/p' <<<"$summary"); s=$(sed -nE 's/.*Skipped: +([0-9]+),.*/\1/p' <<<"$summary")
    passed=$((passed + ${p:-0})); failed=$((failed + ${f:-0})); skipped=$((skipped + ${s:-0}))
    # What failed is told again at the end: whoever has only the last lines of the output needs nothing else.
    awk -v project="$name" '
        /^  Failed / { print project ":" $0; lines = 25; next }
        /^  (Passed|Skipped) / || /^\[xUnit/ { lines = 0 }
        lines > 0 { print; lines-- }' "$log" >> "$failures"
    # A crash of the test host leaves no summary, or one without a failure: it counts as one.
    if [ "$(cat "$log.status" 2>/dev/null || echo 1)" -ne 0 ] && [ "${f:-0}" -eq 0 ]; then failed=$((failed + 1)); fi
done
if [ -s "$failures" ]; then
    say "What failed"
    cat "$failures"
fi
rm -rf "$logs" "$failures"

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
