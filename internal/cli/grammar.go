// Package cli is what a person types and reads: words on the command line become a request, results become an exit
// status and words.
//
// A line that begins with a flag is "caisson run …"; otherwise its first word is a subcommand. The flags of a run end at
// the first word of the container's command, or at "--": what follows belongs to the command, whatever it looks like.
package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"caisson/internal/engine"
	"caisson/internal/project/values"
	"caisson/internal/term"
)

// Run is what a line of "caisson run" asks for.
type Run struct {
	Platform    string
	BuildOnly   bool
	Interactive bool
	RunOnly     bool
	List        bool
	Env         []string // NAME=VALUE, in the order given
	Retries     int      // tries of an image build, at least 1
	Registry    *string  // nil: the project's own; "": none
	NoCache     bool     // build every step of the image anew
	Pull        bool     // resolve the image's bases anew
	NoPull      bool     // ask no registry where it can be avoided
	ShmSize     int64    // bytes of /dev/shm
	Network     string   // private, host or none; "" when nothing decides
	Publish     []engine.Publish
	Memory      int64           // bytes, 0 is no limit
	CPUs        float64         // processors that may be busy at once, 0 is no limit
	PIDs        int64           // processes and threads at once, 0 is no limit
	Secrets     []values.Secret // of image builds; the value is read when it is used
	SSH         []SSHAgent      // of image builds
	CcacheDir   string          // "" is the convention's
	Timeout     time.Duration   // 0 is none
	Dir         string          // folder to look for the project from, "" is the working folder
	Store       string          // "" is the default one
	Output      string          // auto, tty, plain or json
	Command     []string        // the container's command, empty is the default one
	Help        bool
	Version     bool
}

// ParseRun reads the words of "caisson run". getenv looks up a variable of the host. Every error is a *UsageError.
func ParseRun(args []string, getenv func(string) (string, bool)) (Run, error) {
	p := &parser{flags: flags(), rest: args, getenv: getenv, run: Run{Retries: 1, ShmSize: 500 << 20, Output: "auto"}}
	for len(p.rest) > 0 {
		word := p.rest[0]
		if word == "--" {
			p.run.Command = p.rest[1:]
			break
		}
		if !isFlag(word) {
			p.run.Command = p.rest
			break
		}
		p.rest = p.rest[1:]
		parse := p.short
		if strings.HasPrefix(word, "--") {
			parse = p.long
		}
		if err := parse(word); err != nil {
			return Run{}, err
		}
	}
	if p.run.Help || p.run.Version {
		return p.run, nil
	}
	if err := p.run.check(); err != nil || p.run.List {
		return p.run, err
	}
	return p.run, p.run.checkSources(getenv)
}

// parser is the state of reading one line.
type parser struct {
	flags  table
	rest   []string // words not yet read
	run    Run
	getenv func(string) (string, bool)
}

// isFlag says whether a word is a flag by its form. A lone "-" is none.
func isFlag(word string) bool { return len(word) > 1 && word[0] == '-' }

// flag is one flag of "caisson run". One without an argument has set, one with an argument has take.
type flag struct {
	long  string
	short byte // 0 when there is none
	arg   string
	set   func(*Run)
	take  func(p *parser, name, value string) error
	later bool // known, but not in this version
}

// table is the flags of one line; each line has its own.
type table []flag

// long reads --name, --name=value or --name value.
func (p *parser) long(word string) error {
	name, value, attached := strings.Cut(word[2:], "=")
	matches := p.flags.matching(name)
	switch {
	case len(matches) == 0:
		return p.flags.unknown("--"+name, name)
	case len(matches) > 1:
		return &UsageError{Reason: fmt.Sprintf("the flag --%s may mean %s", name, orList(matches)),
			Hint: "write more of it"}
	}
	f := matches[0]
	if attached && f.take == nil && !f.later {
		return &UsageError{Reason: fmt.Sprintf("the flag --%s takes no value, but has %q", f.long, value),
			Hint: "leave out the = and what follows"}
	}
	return p.apply(f, "--"+f.long, value, attached)
}

// short reads -b, several flags in one word (-bi), -p NAME, -pNAME and -p=NAME.
func (p *parser) short(word string) error {
	if name, _, _ := strings.Cut(word[1:], "="); len(name) > 1 && p.flags.long(name) != nil {
		// One hyphen too few: -platform would be -p with the value "latform".
		return &UsageError{Reason: "no flag -" + name, Hint: "did you mean --" + name + "?"}
	}
	for i := 1; i < len(word); i++ {
		f := p.flags.short(word[i])
		if f == nil {
			return p.flags.unknownShort(word, i)
		}
		name := "-" + word[i:i+1]
		if f.take == nil {
			if err := p.apply(f, name, "", false); err != nil {
				return err
			}
			continue
		}
		value := strings.TrimPrefix(word[i+1:], "=")
		return p.apply(f, name, value, i+1 < len(word))
	}
	return nil
}

// apply carries out one flag; without an attached value it takes the next word.
func (p *parser) apply(f *flag, name, value string, attached bool) error {
	if f.later {
		return &UsageError{Reason: fmt.Sprintf("the flag %s is not available in this version", name), Hint: helpHint}
	}
	if f.take == nil {
		f.set(&p.run)
		return nil
	}
	if !attached {
		if len(p.rest) == 0 {
			return &UsageError{Reason: fmt.Sprintf("the flag %s needs a %s", name, f.arg), Hint: name + " " + f.arg}
		}
		value = p.rest[0]
		if isFlag(value) {
			return &UsageError{Reason: fmt.Sprintf("the flag %s needs a %s, and %q is a flag", name, f.arg, value),
				Hint: "a value that begins with a hyphen is written " + name + "=VALUE"}
		}
		p.rest = p.rest[1:]
	}
	return f.take(p, name, value)
}

// matching returns the flags that a long name, maybe cut short, can mean: one when it is exact or unique.
func (t table) matching(name string) []*flag {
	if f := t.long(name); f != nil {
		return []*flag{f}
	}
	var matches []*flag
	for i := range t {
		if name != "" && strings.HasPrefix(t[i].long, name) {
			matches = append(matches, &t[i])
		}
	}
	return matches
}

func (t table) long(name string) *flag {
	for i := range t {
		if t[i].long == name && name != "" {
			return &t[i]
		}
	}
	return nil
}

func (t table) short(letter byte) *flag {
	for i := range t {
		if t[i].short == letter && letter != 0 {
			return &t[i]
		}
	}
	return nil
}

// owns says whether a word that looks like a flag is one of caisson's, rather than of a command that follows.
func (t table) owns(word string) bool {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return len(t.matching(name)) > 0
	}
	return isFlag(word) && t.short(word[1]) != nil
}

func takePlatform(p *parser, name, value string) error {
	if value == "" {
		return &UsageError{Reason: fmt.Sprintf("the platform of %s is empty", name), Hint: "`caisson -l` lists the platforms"}
	}
	if p.run.Platform != "" {
		return &UsageError{Reason: fmt.Sprintf("more than one platform: %q and %q", p.run.Platform, value),
			Hint: "several platforms in one line are not available in this version; use one line for each"}
	}
	p.run.Platform = value
	return nil
}

// takeEnvironment takes the variable after -e and those words after it that are variables too: every NAME=VALUE, and a
// bare NAME where isVariable says so. The first other word is left where it is.
func takeEnvironment(p *parser, name, value string) error {
	if first, _, _ := strings.Cut(value, "="); first == "" {
		return &UsageError{Reason: fmt.Sprintf("the flag %s needs NAME=VALUE or NAME, not %q", name, value)}
	}
	if err := p.addVariable(value); err != nil {
		return err
	}
	for len(p.rest) > 0 && p.isVariable() {
		if err := p.addVariable(p.rest[0]); err != nil {
			return err
		}
		p.rest = p.rest[1:]
	}
	return nil
}

// isVariable decides on the next word after a variable of -e. A bare NAME is most likely the first word of a command,
// "make": it is a variable only where a command cannot begin, because the platform is still to come, and where nothing
// but variables lie between it and the next flag of caisson's own.
func (p *parser) isVariable() bool {
	variable, bare := variableForm(p.rest[0])
	if !variable || !bare {
		return variable
	}
	if p.run.Platform != "" { // -a, once there is one, decides here as well
		return false
	}
	for _, word := range p.rest {
		if isFlag(word) {
			return p.flags.owns(word)
		}
		if variable, _ := variableForm(word); !variable {
			return false
		}
	}
	return false
}

// variableForm says whether a word is NAME=VALUE or a bare NAME, NAME being one that a shell would take.
func variableForm(word string) (variable, bare bool) {
	name, _, assigned := strings.Cut(word, "=")
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false, false
		}
	}
	return name != "", !assigned
}

func (p *parser) addVariable(word string) error {
	if !strings.Contains(word, "=") {
		value, ok := p.getenv(word)
		if !ok {
			return &UsageError{Reason: fmt.Sprintf("-e %s passes the variable of this machine, and there is none", word),
				Hint: fmt.Sprintf("set it, write %s=VALUE, or put -- before it if it begins the command", word)}
		}
		word += "=" + value
	}
	p.run.Env = append(p.run.Env, word)
	return nil
}

func takeRetries(p *parser, name, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return &UsageError{Reason: fmt.Sprintf("%q is not a number of tries", value), Hint: name + " 3 tries three times"}
	}
	p.run.Retries = n
	return nil
}

func takeRegistry(p *parser, _, value string) error {
	p.run.Registry = &value
	return nil
}

func takeFolder(field func(*Run) *string) func(*parser, string, string) error {
	return func(p *parser, name, value string) error {
		if value == "" {
			return &UsageError{Reason: fmt.Sprintf("the folder of %s is empty", name), Hint: name + " DIR, or leave it out"}
		}
		*field(&p.run) = value
		return nil
	}
}

func takeTimeout(p *parser, _, value string) error {
	d, err := parseDuration(value)
	if err != nil {
		return err
	}
	p.run.Timeout = d
	return nil
}

// parseDuration reads a Go duration (1h30m, 90s) or a plain number of seconds. 0 is no limit.
func parseDuration(text string) (time.Duration, error) {
	refuse := &UsageError{Reason: fmt.Sprintf("%q is not a duration", text), Hint: "write 90s, 30m, 1h30m or seconds"}
	if values.PlainNumber(text) {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, refuse
	}
	return d, nil
}

var outputModes = []string{"auto", "tty", "plain", "json"}

func takeOutput(p *parser, name, value string) error {
	_, err := outputMode(name, value)
	p.run.Output = value
	return err
}

func outputMode(name, value string) (term.Mode, error) {
	if slices.Contains(outputModes, value) {
		return term.Mode(value), nil
	}
	hint := fmt.Sprintf("%s is one of %s", name, strings.Join(outputModes, ", "))
	if near := values.Nearest(value, outputModes); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? (%s)", near[0], hint)
	}
	return "", &UsageError{Reason: fmt.Sprintf("no output mode %q", value), Hint: hint}
}
