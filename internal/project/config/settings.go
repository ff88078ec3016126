package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"caisson/internal/project/values"
)

const (
	platformsExample = "platforms: {armv7: {cpu: cortex-a7}}"
	settingsExample  = "{memory: 2GB, network: none}"
	secretsExample   = "secrets: [{id: token, src: token.txt}]"
)

// config reads the top of a file.
func (r *reader) config(root *yaml.Node) Config {
	var c Config
	for _, f := range r.fields(root, at(root), "", platformsExample) {
		switch f.name {
		case "project":
			c.Project = r.project(f)
		case "defaults":
			c.Defaults = r.settings(f)
		case "platforms":
			c.Platforms = r.platformSettings(f)
		default:
			r.unknown(f, []string{"project", "defaults", "platforms"})
		}
	}
	return c
}

// project reads the name: it becomes a folder below /work.
func (r *reader) project(f field) string {
	name, ok := r.word(f, "a name", "project: tensor")
	if !ok {
		return ""
	}
	odd := func(c rune) bool { return c == '/' || unicode.IsControl(c) }
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsFunc(name, odd) {
		r.refuse(f.valueAt, fmt.Sprintf("%s cannot be the name of a project", values.Clip(name)),
			"it becomes the folder /work/NAME of a container: write project: tensor")
	}
	return name
}

func (r *reader) platformSettings(f field) map[string]Settings {
	platforms := map[string]Settings{}
	for _, p := range r.fields(f.value, f.valueAt, f.path(), platformsExample) {
		if !slices.Contains(r.platforms, p.name) {
			hint := "the platforms are " + strings.Join(r.platforms, ", ")
			if near := values.Nearest(p.name, r.platforms); len(near) > 0 {
				hint = "did you mean " + near[0] + "?"
			}
			r.refuse(p.keyAt, fmt.Sprintf("no platform %s has a Dockerfile", values.Clip(p.name)), hint)
		}
		platforms[p.name] = r.settings(p)
	}
	return platforms
}

var settingsKeys = []string{"cpu", "network", "memory", "cpus", "pids", "secrets"}

// setting is one key of the settings. Its value is a single one, which take reads; secrets are read by themselves.
type setting struct {
	takes   string // what the value is, for people
	example string
	take    func(s *Settings, text string) *values.Refusal
}

func settingsTable() map[string]setting {
	return map[string]setting{
		"cpu": {"the model of a processor", "cortex-a7", func(s *Settings, text string) *values.Refusal {
			s.CPU = text
			return checkCPU(text)
		}},
		"network": {"one of private, host, none", "private", func(s *Settings, text string) (no *values.Refusal) {
			s.Network, no = values.Network(text)
			return no
		}},
		"memory": {"a size", "2GB", func(s *Settings, text string) (no *values.Refusal) {
			s.Memory, no = values.Memory(text)
			return no
		}},
		"cpus": {"a number of processors", "1.5", func(s *Settings, text string) (no *values.Refusal) {
			s.CPUs, no = values.CPUs(text)
			return no
		}},
		"pids": {"a number of processes", "500", func(s *Settings, text string) (no *values.Refusal) {
			s.PIDs, no = values.PIDs(text)
			return no
		}},
	}
}

// settings reads those of a platform, or the defaults.
func (r *reader) settings(of field) Settings {
	var s Settings
	table := settingsTable()
	for _, f := range r.fields(of.value, of.valueAt, of.path(), of.name+": "+settingsExample) {
		known, ok := table[f.name]
		switch {
		case f.name == "secrets":
			s.Secrets = r.secrets(f)
		case !ok:
			r.unknown(f, settingsKeys)
		default:
			text, ok := r.word(f, known.takes, f.name+": "+known.example)
			if !ok {
				break
			}
			if no := known.take(&s, text); no != nil {
				r.refuse(f.valueAt, fmt.Sprintf("%s: %s", f.path(), no.Reason), no.Hint)
			}
		}
	}
	return s
}

// checkCPU refuses what cannot be the value of QEMU_CPU; which models there are is known to the emulator alone.
func checkCPU(model string) *values.Refusal {
	odd := func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }
	if model == "" || strings.ContainsFunc(model, odd) {
		return &values.Refusal{Reason: values.Clip(model) + " is not a model of a processor",
			Hint: "write it as QEMU_CPU takes it, cpu: cortex-a7"}
	}
	return nil
}

// word reads a single value as it is written: 1.10 stays 1.10.
func (r *reader) word(f field, takes, example string) (string, bool) {
	n := f.value
	switch {
	case isNull(n):
		r.refuse(f.valueAt, fmt.Sprintf("%s has no value", f.path()), fmt.Sprintf("write %s, or remove the key", example))
	case n.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float", "!!timestamp"}, n.Tag):
		what := kind(n)
		if n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 {
			what = n.Tag
		}
		r.refuse(f.valueAt, fmt.Sprintf("%s takes %s, not %s", f.path(), takes, what), "write "+example)
	default:
		return n.Value, true
	}
	return "", false
}
