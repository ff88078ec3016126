package cli

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func usageText(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := Usage(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUsageFitsATerminalOf80Columns(t *testing.T) {
	for i, line := range strings.Split(usageText(t), "\n") {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("line %d has %d columns: %s", i+1, n, line)
		}
		if strings.Contains(line, "\t") || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d has a tab or ends in blanks: %q", i+1, line)
		}
	}
}

func TestUsageHasEveryFlagAndNoneOfALaterVersion(t *testing.T) {
	text := usageText(t)
	for _, f := range flags() {
		var names []string
		if f.long != "" {
			names = append(names, "--"+f.long)
		}
		if f.short != 0 {
			names = append(names, "-"+string(rune(f.short)))
		}
		for _, name := range names {
			listed := regexp.MustCompile(`(?m)^ .*[ ,]` + name + `([ ,]|$)`).MatchString(text)
			if listed == f.later {
				t.Errorf("%s: in the usage %v, in a later version %v", name, listed, f.later)
			}
		}
	}
}

func TestUsageListsTheSubcommands(t *testing.T) {
	_, list, ok := strings.Cut(usageText(t), "\nSubcommands:\n")
	if !ok {
		t.Fatal("no list of subcommands")
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var listed []string
	for _, line := range strings.Split(list, "\n") {
		listed = append(listed, strings.Fields(line)[0])
	}
	if !slices.Equal(listed, commands) {
		t.Errorf("%q, want %q", listed, commands)
	}
}

func TestTheExamplesOfTheUsageWork(t *testing.T) {
	_, examples, _ := strings.Cut(usageText(t), "\nExamples:\n")
	examples, _, _ = strings.Cut(examples, "\n\n")
	lines := strings.Split(examples, "\n")
	if len(lines) < 3 {
		t.Fatalf("examples %q", lines)
	}
	for _, line := range lines {
		example, said, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if strings.TrimSpace(said) == "" {
			t.Errorf("%q says nothing", example)
		}
		command, rest, err := Split(words(example)[1:])
		if err != nil || command != "run" {
			t.Fatalf("%s: %q %v", example, command, err)
		}
		if _, err := ParseRun(rest, host); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}
