package main

import (
	"strings"
	"testing"
)

// collect gives a collector of one mode these events and returns what it printed.
func collect(t *testing.T, to *table, mode, events string) string {
	t.Helper()
	var out strings.Builder
	c := &collector{mode: mode, table: to, out: &out, open: map[name]bool{}, said: map[name][]string{}}
	if err := c.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const asRoot = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestOne"}
{"Action":"output","Package":"p","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"p","Test":"TestOne","Output":"    one_test.go:1: words of a good test\n"}
{"Action":"pass","Package":"p","Test":"TestOne","Elapsed":1.25}
{"Action":"run","Package":"p","Test":"TestTwo"}
{"Action":"pass","Package":"p","Test":"TestTwo","Elapsed":2}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t3.3s\n"}
{"Action":"pass","Package":"p","Elapsed":3.3}
`

const asUser = `{"Action":"run","Package":"p","Test":"TestOne"}
{"Action":"output","Package":"p","Test":"TestOne","Output":"    one_test.go:1: only as root: a reason: with a colon\n"}
{"Action":"skip","Package":"p","Test":"TestOne","Elapsed":0}
{"Action":"run","Package":"p","Test":"TestTwo"}
{"Action":"run","Package":"p","Test":"TestTwo/part"}
{"Action":"output","Package":"p","Test":"TestTwo/part","Output":"    two_test.go:7: what went wrong\n"}
{"Action":"fail","Package":"p","Test":"TestTwo/part","Elapsed":0.5}
{"Action":"output","Package":"p","Test":"TestTwo","Output":"--- FAIL: TestTwo (0.50s)\n"}
{"Action":"fail","Package":"p","Test":"TestTwo","Elapsed":0.5}
{"Action":"run","Package":"p","Test":"TestThree"}
{"Action":"output","Package":"p","Test":"TestThree","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t9s\n"}
{"Action":"fail","Package":"p","Elapsed":9}
`

func TestTheTableHasARowForEachTestAndAColumnForEachMode(t *testing.T) {
	results := &table{}
	if said := collect(t, results, "root", asRoot); said != "ok  \tp\t3.3s\n" {
		t.Errorf("of good tests it printed %q", said)
	}
	said := collect(t, results, "user", asUser)
	if want := "--- FAIL: TestTwo (0.50s)\n    two_test.go:7: what went wrong\nFAIL\tp\t9s\npanic: test timed out\n"; said != want {
		t.Errorf("of failed tests it printed %q, want %q", said, want)
	}
	var out strings.Builder
	if err := results.print(&out); err != nil {
		t.Fatal(err)
	}
	const want = `test         root   user
p            3.3 s  FAILED after 9.0 s
  TestOne    1.2 s  -
  TestTwo    2.0 s  FAILED after 0.5 s
  TestThree         FAILED after 0.0 s

- as user: TestOne: only as root: a reason: with a colon
as root: 2 passed, 0 failed, 0 left out
as user: 0 passed, 2 failed, 1 left out
`
	if out.String() != want {
		t.Errorf("the table is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWordsThatAreNoEventArePassedOn(t *testing.T) {
	const words = "go: cannot find the main module\n"
	if said := collect(t, &table{}, "root", words); said != words {
		t.Errorf("it printed %q", said)
	}
}
