// Package bench measures caisson beside what a user would use instead: a bare runc with the same specification, Docker
// and Podman, in interleaved rounds of one run, so that a busy machine slows all of them alike. `make bench` measures
// everything and writes RESULTS.md; without CAISSON_BENCH=full the tests are a short form with fewer rounds and some
// tolerance. The package has only tests.
package bench
