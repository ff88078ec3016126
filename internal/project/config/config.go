// Package config reads caisson.yaml, the file that says about a project what its files and folders do not. It is strict:
// what it does not know is an error, and every error says where it is (file, line, column), what is wrong and what to do.
// All errors of a file come at once, in the order of their places.
package config

import (
	"fmt"
	"io"
	"os"
	"slices"

	"caisson/internal/project/values"
)

// Config is what a caisson.yaml says. The zero Config is that of an empty file.
type Config struct {
	Project   string              // name of the project, "" when the file gives none
	Defaults  Settings            // for every platform
	Platforms map[string]Settings // by the platform's name, without the defaults; nil when the file has none
}

// Settings are those of a platform. The zero value of each means that nothing is set.
type Settings struct {
	CPU     string          // model of an emulated processor, as QEMU_CPU takes it
	Network string          // private, host or none
	Memory  int64           // bytes
	CPUs    float64         // processors that may be busy at once
	PIDs    int64           // processes and threads at once
	Secrets []values.Secret // in the order of the file; a relative Path is one below the project's root
}

// Platform returns the settings of a platform: its own, and where it has none the defaults.
func (c Config) Platform(name string) Settings { return c.Platforms[name].Over(c.Defaults) }

// Over returns the settings with those of base in place of what is not set. Secrets of both are kept, those of base
// first; of two with the same ID it is the one of s.
func (s Settings) Over(base Settings) Settings {
	fill(&s.CPU, base.CPU)
	fill(&s.Network, base.Network)
	fill(&s.Memory, base.Memory)
	fill(&s.CPUs, base.CPUs)
	fill(&s.PIDs, base.PIDs)
	var secrets []values.Secret
	for _, secret := range base.Secrets {
		if !slices.ContainsFunc(s.Secrets, func(own values.Secret) bool { return own.ID == secret.ID }) {
			secrets = append(secrets, secret)
		}
	}
	s.Secrets = append(secrets, s.Secrets...)
	return s
}

func fill[T comparable](value *T, with T) {
	var unset T
	if *value == unset {
		*value = with
	}
}

// longest is the size of the largest file that is read, in bytes. A project with a hundred platforms needs a tenth.
const longest = 256 << 10

// Read reads the file at path. The platforms are those that the project has: settings of another one are an error. What
// is wrong with the text is an [Errors], in which the file is called name.
func Read(path, name string, platforms []string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err != nil {
		return Config{}, err
	}
	return Parse(name, text, platforms)
}

// Parse is Read for a text.
func Parse(name string, text []byte, platforms []string) (Config, error) {
	r := &reader{file: name, platforms: platforms, said: map[advice]bool{}}
	if len(text) > longest {
		r.refuse(place{1, 1}, fmt.Sprintf("the file has more than %d bytes", longest), "say less in it")
		return Config{}, r.errs
	}
	root := r.document(text)
	if len(r.errs) > 0 || root == nil {
		return Config{}, r.result()
	}
	c := r.config(root)
	if err := r.result(); err != nil {
		return Config{}, err
	}
	return c, nil
}
