#!/usr/bin/env bash
# Squashes the migrations of the three providers into one Initial each. Only for what has not been released:
# from the first release on, a change is a migration of its own (expand, then contract): docs/decisions/0002-storage.md.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
dotnet tool restore >/dev/null
project=src/Identity.Accounts
# Where the tool once put its snapshots: left there, Initial would hold only what changed since.
rm -rf "$project/Identity"
for provider in Sqlite Postgres SqlServer; do
    rm -rf "$project/Data/Migrations/$provider" "$project/Data/Compiled/$provider"
done
dotnet build "$project" --no-incremental -p:RunAnalyzers=false -nologo -v q -clp:ErrorsOnly
for provider in Sqlite Postgres SqlServer; do
    dotnet ef migrations add Initial --no-build --project "$project" --context "${provider}IdentityDbContext" --output-dir "Data/Migrations/$provider"
done
"$project/Data/Compiled/regenerate.sh"
