package values

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1048576": 1 << 20, "500m": 500 << 20, "2g": 2 << 30, "1.5GB": 3 << 29, "1KiB": 1024, "7b": 7, "1T": 1 << 40,
		"0.5k": 512, "64Mb": 64 << 20, "8388607t": 8388607 << 40,
	} {
		if got, no := Size(text); no != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, no, want)
		}
	}
	for _, text := range []string{"", "m", "0", "0.0001", "-1", "1x", "1mm", "1 m", "1.2.3", ".", "1e3", "NaN", "Inf", "0x10",
		"8388608t", "9223372036854775808", "1bk", "1i", "９"} {
		got, no := Size(text)
		if no == nil || !strings.Contains(no.Reason, "is not a size") || no.Hint == "" {
			t.Errorf("%q is %d, %v", text, got, no)
		}
	}
}

func TestLimits(t *testing.T) {
	memory := func(text string) (float64, *Refusal) { n, no := Memory(text); return float64(n), no }
	pids := func(text string) (float64, *Refusal) { n, no := PIDs(text); return float64(n), no }
	for _, test := range []struct {
		read func(string) (float64, *Refusal)
		text string
		want float64
		says string // of the refusal, "" when there is none
	}{
		{memory, "6m", 6 << 20, ""}, {memory, "6291456", 6 << 20, ""}, {memory, "2GB", 2 << 30, ""},
		{memory, "6291455", 0, "too little memory"}, {memory, "512", 0, "did you mean 512m or 512g"}, {memory, "5m", 0, "6m is the least"},
		{memory, "lots", 0, "is not a size"},
		{CPUs, "1", 1, ""}, {CPUs, "0.5", 0.5, ""}, {CPUs, ".5", 0.5, ""}, {CPUs, "0.01", 0.01, ""},
		{CPUs, "0", 0, "0 processors can run nothing"}, {CPUs, "0.009", 0, "too little of a processor"}, {CPUs, "-1", 0, "not a number of"},
		{CPUs, "1e3", 0, "not a number of"}, {CPUs, "NaN", 0, "not a number of"}, {CPUs, "0,5", 0, "not a number of"},
		{CPUs, "99999999", 0, "not a number of"}, {CPUs, "", 0, "not a number of"},
		{pids, "1", 1, ""}, {pids, "4194304", 1 << 22, ""},
		{pids, "0", 0, "no process can run"}, {pids, "4194305", 0, "4194304 is the most"}, {pids, "1.5", 0, "not a number of"},
		{pids, "-1", 0, "not a number of"}, {pids, "", 0, "not a number of"}, {pids, "99999999999999999999", 0, "more processes than"},
	} {
		got, no := test.read(test.text)
		switch {
		case test.says == "" && (no != nil || got != test.want):
			t.Errorf("%q: %v, %v", test.text, got, no)
		case test.says != "" && (no == nil || !strings.Contains(no.Reason+"; "+no.Hint, test.says) || got != 0):
			t.Errorf("%q: %v, %v", test.text, got, no)
		}
	}
}

func TestASecretComesFromAVariableElseAFileOfItsName(t *testing.T) {
	getenv := func(name string) (string, bool) { return "", name == "SET" }
	for _, test := range []struct{ given, want Secret }{
		{Secret{ID: "SET"}, Secret{ID: "SET", Env: "SET"}},
		{Secret{ID: "unset"}, Secret{ID: "unset", Path: "/dir/unset"}},
		{Secret{ID: "SET", Path: "a/b"}, Secret{ID: "SET", Path: "/dir/a/b"}},
		{Secret{ID: "SET", Path: "/a/b"}, Secret{ID: "SET", Path: "/a/b"}},
		{Secret{ID: "SET", Env: "X", Optional: true}, Secret{ID: "SET", Env: "X", Optional: true}},
	} {
		if diff := cmp.Diff(test.want, test.given.From("/dir", getenv)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestALongValueIsCutInAMessage(t *testing.T) {
	if got := Clip(strings.Repeat("ö\n", 1000)); len(got) > 300 || strings.Contains(got, "\n") {
		t.Error(got)
	}
}
