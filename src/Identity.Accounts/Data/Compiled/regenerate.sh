#!/usr/bin/env bash
# Writes the three providers' models down as code, so that a start need not work them out (a good tenth of its work): after every change under Tables/. A test compares them.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
dotnet tool restore >/dev/null
project=src/Identity.Accounts
for provider in Sqlite Postgres SqlServer; do
    rm -rf "$project/Data/Compiled/$provider"
done
dotnet build "$project" --no-incremental -p:RunAnalyzers=false -nologo -v q -clp:ErrorsOnly
for provider in Sqlite Postgres SqlServer; do
    dotnet ef dbcontext optimize --no-build --project "$project" --context "${provider}IdentityDbContext" --output-dir "Data/Compiled/$provider" --namespace "Identity.Accounts.Data.Compiled.$provider"
done
