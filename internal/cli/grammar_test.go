package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// host is the environment of these tests.
func host(name string) (string, bool) {
	value, ok := map[string]string{"HOME": "/home/me", "EMPTY": "", "FROM_HOST": "a=b c"}[name]
	return value, ok
}

// request is what a line without flags would be, changed by set.
func request(set func(*Run)) Run {
	r := Run{Platform: "x", Retries: 1, ShmSize: 500 << 20, Output: "auto"}
	set(&r)
	return r
}

func registry(name string) *string { return &name }

func TestParseRun(t *testing.T) {
	for _, test := range []struct {
		name string
		line []string
		want Run
	}{
		{"a platform alone", words("-p x"), request(func(*Run) {})},
		{"the long name", words("--platform x"), request(func(*Run) {})},
		{"a value behind =", words("--platform=x"), request(func(*Run) {})},
		{"a value in the word", words("-px"), request(func(*Run) {})},
		{"a value in the word behind =", words("-p=x"), request(func(*Run) {})},
		{"a value may hold =", words("--store=/a=b -p x"), request(func(r *Run) { r.Store = "/a=b" })},
		{"a long name cut short", words("--plat x --docker-b 3"), request(func(r *Run) { r.Retries = 3 })},
		{"an exact name that begins others", words("-p x --pull"), request(func(r *Run) { r.Pull = true })},
		{"short flags in one word", words("-iRp x"), request(func(r *Run) { r.Interactive, r.RunOnly = true, true })},
		{"the last of them with its value", words("-ipx"), request(func(r *Run) { r.Interactive = true })},
		{"every flag", []string{"-p", "x", "-b", "-r", "5", "-d", "reg:5000", "--no-cache", "--no-pull", "--shm-size", "2g",
			"--ccache-dir", "/c", "--timeout", "1h30m", "-C", "..", "--store", "/s", "--output", "plain", "--network", "private",
			"--memory", "2g", "--cpus", "0.5", "--pids", "500"},
			request(func(r *Run) {
				r.BuildOnly, r.Retries, r.Registry, r.NoCache, r.NoPull = true, 5, registry("reg:5000"), true, true
				r.ShmSize, r.CcacheDir, r.Timeout, r.Dir = 2<<30, "/c", 90*time.Minute, ".."
				r.Store, r.Output, r.Network = "/s", "plain", "private"
				r.Memory, r.CPUs, r.PIDs = 2<<30, 0.5, 500
			})},
		{"no registry", []string{"-d", "", "-p", "x"}, request(func(r *Run) { r.Registry = registry("") })},
		{"no registry behind =", []string{"--docker-registry=", "-p", "x"}, request(func(r *Run) { r.Registry = registry("") })},
		{"of two values of one flag the last", words("-p x -r 2 -r 3"), request(func(r *Run) { r.Retries = 3 })},
		{"a value that begins with a hyphen behind =", words("-p x -C=-odd --store=-s"),
			request(func(r *Run) { r.Dir, r.Store = "-odd", "-s" })},
		{"a list", words("-l"), request(func(r *Run) { r.Platform, r.List = "", true })},
		{"a list of a line of a script that names a platform", words("-p x -l"), request(func(r *Run) { r.List = true })},
		{"help needs nothing else", words("-h"), request(func(r *Run) { r.Platform, r.Help = "", true })},
		{"help on a line that makes no sense", words("-b -R --help"), request(func(r *Run) {
			r.Platform, r.BuildOnly, r.RunOnly, r.Help = "", true, true, true
		})},
		{"the version", words("--version"), request(func(r *Run) { r.Platform, r.Version = "", true })},

		{"flags end at the command", words("-p x make -j4 -p y --help"),
			request(func(r *Run) { r.Command = words("make -j4 -p y --help") })},
		{"flags end at --", words("-p x -- -i -- y"), request(func(r *Run) { r.Command = words("-i -- y") })},
		{"nothing behind --", words("-p x --"), request(func(r *Run) { r.Command = []string{} })},
		{"a -- of the command is the command's", words("-p x env -- A"), request(func(r *Run) { r.Command = words("env -- A") })},
		{"a lone hyphen begins a command", words("-p x - y"), request(func(r *Run) { r.Command = words("- y") })},
		{"an empty word begins a command", []string{"-p", "x", "", "y"}, request(func(r *Run) { r.Command = []string{"", "y"} })},
		{"a command on a terminal", words("-p x -i -R gdb --args a"),
			request(func(r *Run) { r.Interactive, r.RunOnly, r.Command = true, true, words("gdb --args a") })},
	} {
		t.Run(test.name, func(t *testing.T) { wantRun(t, test.line, test.want) })
	}
}

func TestVariables(t *testing.T) {
	const f = "./runtime_functions.sh"
	for _, test := range []struct {
		name, line   string
		env, command []string
	}{
		{"one", "-p x -e A=1", words("A=1"), nil},
		{"one in the word", "-p x -eA=1", words("A=1"), nil},
		{"one behind =", "-p x -e=A=1", words("A=1"), nil},
		{"one behind the long name", "-p x --environment=A=1", words("A=1"), nil},
		{"behind other short flags", "-p x -ie A=1 B=2", words("A=1 B=2"), nil},
		{"several words before the platform", "-e A=1 B=2 BRANCH=x --docker-registry r -p x " + f + " f",
			words("A=1 B=2 BRANCH=x"), words(f + " f")},
		{"several words at the end", "-p x -e A=1 B=2", words("A=1 B=2"), nil},
		{"several words behind the long name", "--environment=A=1 B=2 -p x", words("A=1 B=2"), nil},
		{"several flags", "-e A=1 -p x -e B=2 C=3 -i", words("A=1 B=2 C=3"), nil},
		{"a value with =", "-p x -e C=x=y", words("C=x=y"), nil},
		{"an empty value", "-p x -e A= B=", words("A= B="), nil},
		{"a value of the host", "-p x -e FROM_HOST", []string{"FROM_HOST=a=b c"}, nil},
		{"an empty value of the host", "-p x -e EMPTY", words("EMPTY="), nil},
		{"a name that no shell takes", "-p x -e my.opt=1", words("my.opt=1"), nil},

		{"a command behind a variable", "-p x -e A=1 make -j4", words("A=1"), words("make -j4")},
		{"a command behind two", "-p x -e A=1 B=2 make", words("A=1 B=2"), words("make")},
		{"a command that sets one itself", "-p x -e A=1 env B=2 make", words("A=1"), words("env B=2 make")},
		{"a command that has the name of a variable of the host", "-p x -e A=1 HOME -p", words("A=1"), words("HOME -p")},
		{"a command behind --", "-p x -e A=1 -- B=2", words("A=1"), words("B=2")},
		{"a command by its path", "-p x -e A=1 bin/B=2", words("A=1"), words("bin/B=2")},
		{"a name that begins with a digit begins a command", "-p x -e A=1 7z=b", words("A=1"), words("7z=b")},

		{"bare names before a flag and the platform", "-e A=1 HOME B=2 EMPTY -p x", []string{"A=1", "HOME=/home/me", "B=2",
			"EMPTY="}, nil},
		{"bare names behind a bare name", "-e HOME EMPTY --platform=x", words("HOME=/home/me EMPTY="), nil},
		{"bare names before a flag that is cut short", "-e A=1 HOME --plat x", words("A=1 HOME=/home/me"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRun(words(test.line), host)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.env, got.Env); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.command, got.Command); diff != "" {
				t.Error(diff)
			}
			if got.Platform != "x" {
				t.Errorf("platform %q", got.Platform)
			}
		})
	}
}

func TestLinesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		line []string
		says []string
	}{
		{"no platform", words("-i"), []string{"no platform", "-p PLATFORM", "`caisson -l`"}},
		{"a command without a platform", words("-i make"), []string{`no platform to run "make" on`, "before the command"}},
		{"a platform without a name", words("-p"), []string{"-p needs a PLATFORM"}},
		{"a flag in the place of a name", words("-p -b"), []string{"-p needs a PLATFORM", `"-b" is a flag`, "-p=VALUE"}},
		{"a flag in the place of a folder", words("-C --list"), []string{"-C needs a DIR", "-C=VALUE"}},
		{"an empty platform", []string{"-p", ""}, []string{"platform of -p is empty"}},
		{"two platforms", words("-p a -p b"), []string{`more than one platform: "a" and "b"`, "not available"}},
		{"a flag nearly right", words("-p x --no-cahce"), []string{`no flag "--no-cahce"`, "did you mean --no-cache?"}},
		{"a flag that nothing is like", words("-p x --frobnicate"), []string{`no flag "--frobnicate"`, "comes after --"}},
		{"a short flag", words("-p x -z"), []string{`no flag "-z"`}},
		{"a short flag among others", words("-p x -bz"), []string{`no flag -z in "-bz"`}},
		{"a short flag that is no letter", words("-p x -ö"), []string{`no flag "-ö"`}},
		{"a long flag with one hyphen", words("-platform x"), []string{"did you mean --platform?"}},
		{"a long flag without a name", words("--=x"), []string{`no flag "--"`}},
		{"a short name that is not unique", words("-p x --no"), []string{"--no may mean --no-cache or --no-pull"}},
		{"a short name of three", words("-p x --pu"), []string{"--pu may mean --pull or --publish"}},
		{"a value for a flag that has none", words("-p x --no-cache=yes"), []string{"--no-cache takes no value", `"yes"`}},
		{"a flag of a later version", words("-a"), []string{"-a is not available in this version"}},
		{"a short flag of a later version with a value", words("-p x -j4"), []string{"-j is not available in this version"}},
		{"a long flag of a later version", words("-p x --gpus=all"), []string{"--gpus is not available in this version"}},

		{"a variable without a name", words("-p x -e =1"), []string{"-e needs NAME=VALUE or NAME", `"=1"`}},
		{"no variable", words("-p x -e"), []string{"-e needs a NAME[=VALUE]"}},
		{"a flag in the place of a variable", words("-e -p x"), []string{"-e needs a NAME[=VALUE]"}},
		{"a variable that the host has not", words("-p x -e NOPE"), []string{"-e NOPE", "there is none", "NOPE=VALUE"}},
		{"a command in front of the platform", words("-e A=1 make -p x"), []string{"-e make", "put -- before it"}},
		{"a name before a flag that is not caisson's", words("-e A=1 HOME --target x"), []string{`run "HOME" on`}},
		{"a name before a word that is no variable", words("-e A=1 HOME ./x -p x"), []string{`run "HOME" on`}},
		{"a name at the end", words("-e A=1 HOME"), []string{`run "HOME" on`}},

		{"no number of tries", words("-p x -r many"), []string{`"many" is not a number of tries`}},
		{"no try at all", words("-p x -r 0"), []string{`"0" is not a number of tries`}},
		{"a duration that is none", words("-p x --timeout soon"), []string{`"soon" is not a duration`, "30m"}},
		{"a duration before now", words("-p x --timeout=-5"), []string{`"-5" is not a duration`}},
		{"a size that is none", words("-p x --shm-size big"), []string{`"big" is not a size`, "500m"}},
		{"a mode of output that is none", words("-p x --output jsn"), []string{`no output mode "jsn"`, "did you mean json?"}},
		{"an empty folder", []string{"-p", "x", "--ccache-dir", ""}, []string{"folder of --ccache-dir is empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseRun(test.line, host)
			wantUsageError(t, err, test.says...)
		})
	}
}

func TestWhatCannotBeDoneTogether(t *testing.T) {
	for _, test := range []struct {
		name string
		line []string
		says []string
	}{
		{"-b with a command", words("-p x -b make"), []string{"-b builds the image only", `"make"`}},
		{"-b with -R", words("-p x -bR"), []string{"-b builds", "-R never"}},
		{"-b with -i", words("-p x -bi"), []string{"-b runs nothing", "-i"}},
		{"-R with --pull", words("-p x -R --pull"), []string{"-R uses", "--pull"}},
		{"-R with --no-cache", words("-p x -R --no-cache"), []string{"-R never", "--no-cache"}},
		{"--pull with --no-pull", words("-p x --pull --no-pull"), []string{"contradict"}},
		{"-l with a command", words("-l make"), []string{"-l lists"}},
		{"-l with -b", words("-lb"), []string{"-l lists"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseRun(test.line, host)
			wantUsageError(t, err, test.says...)
		})
	}
}

func TestEveryFlagOfALaterVersionSaysSo(t *testing.T) {
	for _, f := range flags() {
		if !f.later {
			continue
		}
		if f.long != "" {
			_, err := ParseRun([]string{"-p", "x", "--" + f.long, "v"}, host)
			wantUsageError(t, err, "--"+f.long+" is not available in this version")
		}
		if f.short != 0 {
			_, err := ParseRun([]string{"-p", "x", "-" + string(f.short)}, host)
			wantUsageError(t, err, "-"+string(f.short)+" is not available in this version")
		}
	}
}

func TestNoFlagIsInTheTableTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range flags() {
		for _, name := range []string{f.long, string(rune(f.short))} {
			if seen[name] && name != "" && name != "\x00" {
				t.Errorf("%q twice", name)
			}
			seen[name] = true
		}
		if (f.set != nil) == (f.take != nil) && !f.later {
			t.Errorf("%q: one of set and take", f.long)
		}
	}
}

func TestTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "1h30m": 90 * time.Minute, "0": 0, "250ms": 250 * time.Millisecond,
	} {
		got, err := ParseRun([]string{"-p", "x", "--timeout", text}, host)
		if err != nil || got.Timeout != want {
			t.Errorf("%s: %v, %v, want %v", text, got.Timeout, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.2.3", "99999999999999999999", "1d", "NaN", "1e3"} {
		if _, err := parseDuration(text); err == nil {
			t.Errorf("%q is a duration", text)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct{ name, line, command, rest string }{
		{"no words", "", "help", ""},
		{"a flag first is a run", "-p x make", "run", "-p x make"},
		{"also --", "-- make", "run", "-- make"},
		{"also help", "--help", "run", "--help"},
		{"a subcommand", "base add a b", "base", "add a b"},
		{"run by its name", "run -p x", "run", "-p x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			command, rest, err := Split(words(test.line))
			if err != nil || command != test.command || strings.Join(rest, " ") != test.rest {
				t.Errorf("%q %q %v", command, rest, err)
			}
		})
	}
	_, _, err := Split(words("docter"))
	wantUsageError(t, err, `no command "docter"`, "did you mean `caisson doctor`?")
	_, _, err = Split(words("armv7"))
	wantUsageError(t, err, `no command "armv7"`, "caisson -p PLATFORM")
	_, _, err = Split(words("vm"))
	wantUsageError(t, err, "vm is not available in this version")
}

func FuzzParseRunNeverPanicsAndKeepsItsPromises(f *testing.F) {
	for _, line := range []string{"", "-p\nx", "-p\nx\nmake\n-j4", "-e\nA=1\nB=2\nHOME\n--docker-r\nr\n-p\nx\nf", "-bi", "--", "-",
		"-p\nx\n--\n-e", "--shm-size=1.5GB\n-px", "--timeout\n1h\n-l", "-d\n\n-p=x", "--no", "-ö", "-\xff", "--=", "-e\n=",
		"-eHOME\nEMPTY\n-C\n.", "-r\n99999999999999999999", "-hl", "--e=A", "-p\nx\n--output\ntty\n--store\n/s", "-p\n-p",
		"-p\nx\n--publish\n[::1]:80:80\n--network=host", "-p\nx\n--secret\nid=HOME\n--ssh\na=/b\n--pids=5\n--cpus=.5\n--memory=6m",
		"--secret=\"id=a", "--publish=:::\n-l"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		given := slices.Clone(args)
		got, err := ParseRun(args, host)
		if !slices.Equal(args, given) {
			t.Fatal("the words were changed")
		}
		if err != nil {
			wantUsageError(t, err)
			return
		}
		if got.Platform == "" && !got.List && !got.Help && !got.Version {
			t.Error("no platform")
		}
		if got.Memory < 0 || got.CPUs < 0 || got.PIDs < 0 || len(got.Publish) > 0 && got.Network != "" && got.Network != "private" {
			t.Errorf("%+v", got)
		}
		if got.Retries < 1 || got.ShmSize < 1 || got.Timeout < 0 || !slices.Contains(outputModes, got.Output) {
			t.Errorf("%+v", got)
		}
		for _, variable := range got.Env {
			if strings.Index(variable, "=") < 1 {
				t.Errorf("variable %q", variable)
			}
		}
		if n := len(got.Command); n > 0 && !slices.Equal(args[len(args)-n:], got.Command) {
			t.Errorf("the command %q is not the end of the line", got.Command)
		}
	})
}

func BenchmarkParseRun(b *testing.B) {
	line := words("-e A=1 B=2 --docker-registry r -p x make -j4")
	for b.Loop() {
		if _, err := ParseRun(line, host); err != nil {
			b.Fatal(err)
		}
	}
}

func words(line string) []string { return strings.Fields(line) }

func wantRun(t *testing.T, line []string, want Run) {
	t.Helper()
	got, err := ParseRun(line, host)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func wantUsageError(t *testing.T, err error, says ...string) {
	t.Helper()
	var usage *UsageError
	if !errors.As(err, &usage) || usage.Reason == "" {
		t.Errorf("%T (%v) is no *UsageError with a reason", err, err)
		return
	}
	for _, word := range says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
