package bench

import (
	"fmt"
	"os"
	"testing"
)

func loadNow() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return string(b)
}
func writeResults(string, string) error { return nil }
func row(t testing.TB, id, what, against string, r ratio, limit string, ok bool) {
	t.Helper()
	t.Logf("%s against %s: %s; limit: %s", what, against, r, limit)
	if !ok {
		t.Errorf("over its limit, %s", limit)
	}
	_ = fmt.Sprint()
}
