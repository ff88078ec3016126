package harness

import (
	"os"
	"testing"
)

// The tests of the whole program are one list with two columns, by the variable CAISSON_TEST_AS: "root", which is the
// default, and "user", an ordinary user without any right. The test process is root in both, since it looks at other
// processes and at mounts; what changes is who starts caisson.
const modeVariable = "CAISSON_TEST_AS"

// User is somebody who starts caisson.
type User struct {
	Name     string
	UID, GID int
}

// The people of the tests. Tester and Newcomer exist in mode user only: Main makes them known. As root, Tester is nobody
// that the machine knows, and calls caisson by sudo.
var (
	Superuser = User{"root", 0, 0}
	Tester    = User{"tester", 54321, 54322}
	Newcomer  = User{"newcomer", 54323, 54323} // has no subordinate ids
)

// Rootless says whether caisson is started by an ordinary user.
func Rootless() bool { return os.Getenv(modeVariable) == "user" }

// Runner is who starts caisson in this mode, where a command names nobody else.
func Runner() User {
	if Rootless() {
		return Tester
	}
	return Superuser
}

// RootOnly leaves a test out in mode user. The reason is printed.
func RootOnly(t testing.TB, why string) {
	t.Helper()
	if Rootless() {
		t.Skip("only as root: " + why)
	}
}

// Full says whether the long form is run, of `make faults`.
func Full() bool { return os.Getenv("CAISSON_FAULTS") == "full" }

// LongOnly leaves a test out of the short form in mode user, or in both modes. The reason is printed.
func LongOnly(t testing.TB, bothModes bool, why string) {
	t.Helper()
	if !Full() && (bothModes || Rootless()) {
		t.Skip("only in `make faults`: " + why)
	}
}

// UserOnly leaves a test out in mode root. The reason is printed.
func UserOnly(t testing.TB, why string) {
	t.Helper()
	if !Rootless() {
		t.Skip("only as an ordinary user: " + why)
	}
}
