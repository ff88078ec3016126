#!/bin/sh
# Runs the tests. usage: packaging/test.sh short|faults|machines|bench
#   short     everything, with the long suites in their short form (`make test`)
#   faults    the full number of kills, cold stores and interrupted builds; the long tests of emulators and real projects
#   machines  what needs another kernel setup, in emulated machines
#   bench     measurements, side by side with what a user would use instead
# The tests of the whole program run as root and as an ordinary user; the table of both stays in .build/test.
set -eu
GO=${GO:-go}
export CAISSON_BIN="$PWD/bin/caisson"
case "${1:-short}" in
short)
	"$GO" test -timeout 20m ./cmd/... ./internal/...
	"$GO" test -timeout 20m -p 1 ./test/table ./test/machines/... ./bench/...
	# The base for ARM takes minutes where it is not there yet, and is needed last.
	CAISSON_TEST_AS=user "$GO" test -timeout 20m -run MakesABase ./test/foreign &
	base=$!
	# shellcheck disable=SC2046 # a list of words
	"$GO" run ./test/table -together -o .build/test/table.txt -- -timeout 20m -p 1 \
		$("$GO" list ./test/... | grep -v -e /table -e /machines -e /foreign) ./test/foreign
	wait $base
	;;
faults) CAISSON_FAULTS=full "$GO" run ./test/table -v -o .build/test/faults.txt -- -count 1 -timeout 60m -p 1 ./test/faults ./test/foreign ./test/projects ;;
machines) CAISSON_MACHINES=full "$GO" test -count 1 -timeout 30m -v ./test/machines/... ;;
bench) CAISSON_BENCH=full "$GO" test -count 1 -timeout 60m -v ./bench/... ;;
*) echo "usage: $0 short|faults|machines|bench" >&2; exit 2 ;;
esac
