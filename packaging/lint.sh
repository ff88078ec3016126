#!/bin/sh
# Formatting, go vet, staticcheck, dead links between rooms, and known vulnerabilities where the data can be had.
set -eu
GO=${GO:-go}
unformatted=$(gofmt -l cmd internal packaging test bench)
[ -z "$unformatted" ] || { echo "not formatted (gofmt -w):"; echo "$unformatted"; exit 1; }
"$GO" vet ./...
GOOS=darwin "$GO" vet ./internal/engine ./internal/image/... ./internal/project ./internal/term ./internal/run/...
"$GO" run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
# govulncheck needs the vulnerability database; without a network it says so and is not an error.
if ! out=$("$GO" run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./cmd/... 2>&1); then
	case "$out" in
	*"vuln.go.dev"* | *"dial tcp"* | *"no such host"*) echo "govulncheck: its database cannot be reached; not checked" ;;
	*) echo "$out"; exit 1 ;;
	esac
fi
echo "lint: ok"
