package cli

// What caisson says about its command line: what there is, and what it will not do.

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"caisson/internal/project/values"
)

// Usage prints what "caisson" without words and "caisson --help" say. A failed write is returned.
func Usage(w io.Writer) error {
	_, err := io.WriteString(w, usage)
	return err
}

const usage = `caisson builds and tests a source tree on many platforms, in containers.

Examples:
  caisson -l                         the platforms of this project
  caisson -p armv7                   build on armv7; make its image if needed
  caisson -p armv7 make -j8 check    run another command there
  caisson -p armv7 -e DEBUG=1 make   ... with a variable
  caisson -p armv7 -i                open a shell there
  caisson -p armv7 -b                make the image only

Usage:
  caisson -p PLATFORM [FLAG...] [--] [COMMAND...]
  caisson -l
  caisson SUBCOMMAND [WORD...]

  A platform is a file Dockerfile.build.<platform> in ci/docker or docker and,
  in runtime_functions.sh beside it, a shell function build_<platform>: what
  runs where no COMMAND is given. It runs as you, on the source tree in place,
  which is /work/<project> in the container. Artifacts are left in build/.
  Flags end where COMMAND begins.

What to do:
  -p, --platform PLATFORM       use this platform
  -l, --list                    list the platforms, one a line
  -b, --build-only              make the image, run nothing
  -R, --run-only                run on the image as it is: no build, no pull
  -i, --interactive             run on a terminal: COMMAND, else the image's own

The container:
  -e, --environment NAME=VALUE  set variables, several in a row; a NAME alone
                                passes the one that you have
      --network MODE            private (its own), host (this machine's) or none
      --publish HOST:CONTAINER  let HOST port of this machine lead to the port
                                CONTAINER; ADDRESS:HOST:CONTAINER (127.0.0.1)
      --memory SIZE             memory that it may have, like 2g (no limit)
      --cpus NUMBER             processors that it may use, like 0.5 (no limit)
      --pids NUMBER             processes that it may have (no limit)
      --shm-size SIZE           size of /dev/shm, like 2g (500m)
      --ccache-dir DIR          compiler cache ($CCACHE_DIR, /tmp/ci_ccache)
      --timeout DURATION        end the command after 90s, 30m, 1h30m ... (none)

The image:
  -d, --docker-registry NAME    first part of its name (<project>ci); '' is none
  -r, --docker-build-retries N  how often to try to build it (1)
      --secret id=ID,src=PATH   a file: /run/secrets/ID in runs and for RUN
                                --mount=type=secret,id=ID; or
                                env=NAME; id=ID alone: variable ID, else file
      --ssh default             your SSH agent for RUN --mount=type=ssh; or
                                ID=SOCKET
      --no-cache                build every step anew
      --pull                    look for newer base images
      --no-pull                 do not look for the image in a registry

caisson itself:
  -C DIR                        look for the project in DIR (here)
      --store DIR               keep images and caches in DIR
      --output MODE             progress as auto, tty, plain or json (auto)
  -h, --help                    print this
      --version                 print the version

Subcommands:
  run       what a line that begins with a flag does
  ps        show what runs now
  logs      print the output of a run, also of one that has ended
  base      images of your own that a FROM can name without a registry
  clean     remove what is no longer needed
  doctor    what this machine can do, and what to do about the rest
  version   print the version
  help      print this

Exit status: the command's own. 124 it timed out, 125 caisson failed,
126 it could not be started, 127 it was not found, 128+N signal N ended it.
`

// Split takes a whole command line apart: the subcommand and its words. A line without words is "help". A subcommand
// that there is not is a *UsageError.
func Split(args []string) (command string, rest []string, err error) {
	if len(args) == 0 {
		return "help", nil, nil
	}
	word := args[0]
	if strings.HasPrefix(word, "-") {
		return "run", args, nil
	}
	if slices.Contains(commands, word) {
		return word, args[1:], nil
	}
	if slices.Contains(laterCommands, word) {
		return "", nil, &UsageError{Reason: fmt.Sprintf("the command %s is not available in this version", word),
			Hint: helpHint}
	}
	hint := helpHint
	if near := values.Nearest(word, commands); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `caisson %s`?", near[0])
	}
	return "", nil, &UsageError{Reason: fmt.Sprintf("no command %q", word),
		Hint: hint + " (to build a platform: caisson -p PLATFORM)"}
}

var (
	commands      = []string{"run", "ps", "logs", "base", "clean", "doctor", "version", "help"}
	laterCommands = []string{"list", "shell", "image", "cache", "vm", "config", "completion"}
)

const helpHint = "`caisson --help` shows what there is"

// flags is the table of all, with the flags that this version does not have yet: they are known, so that nobody takes
// them for a mistake in writing, or for the command's own after -e.
func flags() table {
	return table{
		{long: "platform", short: 'p', arg: "PLATFORM", take: takePlatform},
		{long: "build-only", short: 'b', set: func(r *Run) { r.BuildOnly = true }},
		{long: "interactive", short: 'i', set: func(r *Run) { r.Interactive = true }},
		{long: "run-only", short: 'R', set: func(r *Run) { r.RunOnly = true }},
		{long: "list", short: 'l', set: func(r *Run) { r.List = true }},
		{long: "environment", short: 'e', arg: "NAME[=VALUE]", take: takeEnvironment},
		{long: "docker-build-retries", short: 'r', arg: "NUMBER", take: takeRetries},
		{long: "docker-registry", short: 'd', arg: "NAME", take: takeRegistry},
		{long: "no-cache", set: func(r *Run) { r.NoCache = true }},
		{long: "pull", set: func(r *Run) { r.Pull = true }},
		{long: "no-pull", set: func(r *Run) { r.NoPull = true }},
		{long: "shm-size", arg: "SIZE", take: takeValue(values.Size, func(r *Run) *int64 { return &r.ShmSize })},
		{long: "network", arg: "MODE", take: takeValue(values.Network, func(r *Run) *string { return &r.Network })},
		{long: "publish", arg: "[ADDRESS:]HOST:CONTAINER", take: takePublish},
		{long: "memory", arg: "SIZE", take: takeValue(values.Memory, func(r *Run) *int64 { return &r.Memory })},
		{long: "cpus", arg: "NUMBER", take: takeValue(values.CPUs, func(r *Run) *float64 { return &r.CPUs })},
		{long: "pids", arg: "NUMBER", take: takeValue(values.PIDs, func(r *Run) *int64 { return &r.PIDs })},
		{long: "secret", arg: "id=ID[,src=PATH]", take: takeSecret},
		{long: "ssh", arg: "default|ID[=SOCKET]", take: takeSSH},
		{long: "ccache-dir", arg: "DIR", take: takeFolder(func(r *Run) *string { return &r.CcacheDir })},
		{long: "timeout", arg: "DURATION", take: takeTimeout},
		{short: 'C', arg: "DIR", take: takeFolder(func(r *Run) *string { return &r.Dir })},
		{long: "store", arg: "DIR", take: takeFolder(func(r *Run) *string { return &r.Store })},
		{long: "output", arg: "MODE", take: takeOutput},
		{long: "help", short: 'h', set: func(r *Run) { r.Help = true }},
		{long: "version", set: func(r *Run) { r.Version = true }},

		{long: "all", short: 'a', later: true},
		{short: 'j', later: true},
		{long: "nvidiadocker", short: 'n', later: true},
		{long: "gpus", later: true},
		{long: "isolate", later: true},
		{long: "engine", later: true},
		{long: "print-docker-run", later: true},
		{long: "cache-intermediate", later: true},
		{long: "keep-going", later: true},
		{long: "fail-fast", later: true},
		{long: "shell-on-failure", later: true},
	}
}

// UsageError is a line that caisson does not understand or will not do.
type UsageError struct {
	Reason string // what is wrong, in words of the line
	Hint   string // what to do next
}

func (e *UsageError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Hint
}

func (t table) unknownShort(word string, i int) error {
	letter := string([]rune(word[i:])[:1])
	if !strings.HasPrefix(word, "-"+letter) {
		return &UsageError{Reason: fmt.Sprintf("no flag -%s in %q", letter, word), Hint: helpHint}
	}
	return t.unknown("-"+letter, word[1:])
}

func (t table) unknown(shown, name string) error {
	hint := helpHint
	var longs []string
	for _, f := range t {
		if !f.later && f.long != "" {
			longs = append(longs, f.long)
		}
	}
	if near := values.Nearest(name, longs); len(near) > 0 {
		hint = "did you mean --" + near[0] + "?"
	}
	return &UsageError{Reason: fmt.Sprintf("no flag %q", shown),
		Hint: hint + " (a command that begins with a hyphen comes after --)"}
}

func orList(matches []*flag) string {
	names := make([]string, len(matches))
	for i, f := range matches {
		names[i] = "--" + f.long
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// check refuses what cannot be done together.
func (r *Run) check() error {
	refuse := func(reason, hint string) error { return &UsageError{Reason: reason, Hint: hint} }
	command := len(r.Command) > 0
	switch {
	case r.Pull && r.NoPull:
		return refuse("--pull and --no-pull contradict each other", "leave one of them out")
	case r.List && (r.BuildOnly || r.Interactive || r.RunOnly || command):
		return refuse("-l lists the platforms and runs nothing", "leave out -l or all else")
	case r.List:
		return nil
	case r.Platform == "" && command:
		return refuse(fmt.Sprintf("no platform to run %q on", r.Command[0]),
			"put -p PLATFORM before the command; `caisson -l` lists the platforms")
	case r.Platform == "":
		return refuse("no platform", "add -p PLATFORM; `caisson -l` lists the platforms")
	case r.BuildOnly && r.RunOnly:
		return refuse("-b builds the image only and -R never builds it", "leave one of them out")
	case r.BuildOnly && r.Interactive:
		return refuse("-b runs nothing, so -i has no terminal to give", "leave one of them out")
	case r.BuildOnly && command:
		return refuse(fmt.Sprintf("-b builds the image only, but there is the command %q", r.Command[0]),
			"leave out -b to run it")
	case r.RunOnly && r.Pull:
		return refuse("-R uses the image as it is, but --pull asks for newer bases", "leave one of them out")
	case r.BuildOnly && len(r.Publish) > 0:
		return refuse("-b runs nothing, so --publish has no port to lead to", "leave one of them out")
	case r.Network != "" && r.Network != values.Private && len(r.Publish) > 0:
		return refusePublish("--network "+r.Network, r.Network)
	case r.RunOnly && r.NoCache:
		return refuse("-R never builds the image, but --no-cache asks to build it anew", "leave one of them out")
	}
	return nil
}
