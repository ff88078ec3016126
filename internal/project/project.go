// Package project finds out what a source tree is: its root, its name, its platforms, its functions file. It reads files
// and folders of the tree and starts nothing; it imports no other room. Everything here follows from where files lie
// and what they are called:
//
//   - The root is the nearest parent with a caisson.yaml file, else the nearest with a .<name>_root file, else the git
//     root.
//   - A platform is a Dockerfile.build.<platform> in ci/docker, else in docker. That folder is the build context.
//   - caisson.yaml may give the project a name, and platforms settings (see [config]).
//   - runtime_functions.sh beside the Dockerfiles has the function build_<platform> of each of them.
package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"caisson/internal/project/config"
	"caisson/internal/project/values"
)

// FunctionsFile is the name of the file with the shell functions of all platforms, beside the Dockerfiles.
const FunctionsFile = "runtime_functions.sh"

// Project is a source tree with its platforms, as it was when Load read it.
type Project struct {
	Root      string        // absolute, without symbolic links
	Name      string        // one path element, exactly as the tree has it: the tree is /work/<Name> in a container
	DockerDir string        // absolute: ci/docker or docker below Root
	Functions string        // path of the functions file relative to Root, "" when there is none
	Platforms []Platform    // at least one, sorted by name
	RootRule  string        // which rule decided on Root, for people
	NameRule  string        // which rule decided on Name, for people
	Config    config.Config // what caisson.yaml says, nothing when there is none

	// unusable: what has the name of a platform's Dockerfile and is none, with the reason.
	unusable map[string]string
}

// Platform is one Dockerfile and what its image is built from.
type Platform struct {
	Name       string
	Dockerfile string // absolute; a regular file or a link to one
	Context    string // absolute, without symbolic links: the folder of the Dockerfile
}

// Load reads the project that the folder dir ("" is the working folder) is part of. A folder outside of any project is
// a *NoProjectError, a project without any Dockerfile a *NoDockerfilesError, a caisson.yaml that is wrong config.Errors.
func Load(dir string) (*Project, error) {
	start, err := startFolder(dir)
	if err != nil {
		return nil, err
	}
	found, err := findRoot(start)
	if err != nil {
		return nil, err
	}
	p := &Project{Root: found.path, RootRule: found.rule}
	if err := p.readDockerfiles(); err != nil {
		return nil, err
	}
	if found.configured {
		if err := p.readConfig(); err != nil {
			return nil, err
		}
	}
	p.Name, p.NameRule = nameOf(found, p.Config)
	if regularFile(filepath.Join(p.DockerDir, FunctionsFile)) {
		rel, err := filepath.Rel(p.Root, p.DockerDir)
		if err != nil {
			return nil, fmt.Errorf("find the functions file of %s: %w", shown(p.Root), err)
		}
		p.Functions = filepath.Join(rel, FunctionsFile)
	}
	return p, nil
}

// readConfig sets Config. It needs the platforms: settings of one that there is not are an error.
func (p *Project) readConfig() error {
	names := make([]string, 0, len(p.Platforms))
	for _, pl := range p.Platforms {
		names = append(names, pl.Name)
	}
	path := filepath.Join(p.Root, ConfigFile)
	if real, outside := leavesTree(p.Root, path); outside {
		return fmt.Errorf("%s is a link to %s, which is outside of the project", shown(path), shown(real))
	}
	var err error
	if p.Config, err = config.Read(path, shown(path), names); err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[config.Errors](err); ok {
		return wrong
	}
	return fmt.Errorf("read %s: %w", shown(path), cause(err))
}

// Settings returns the settings of a platform from caisson.yaml: its own over the defaults. Files of secrets are
// absolute.
func (p *Project) Settings(pl Platform) config.Settings {
	s := p.Config.Platform(pl.Name)
	for i, secret := range s.Secrets {
		if secret.Path != "" && !filepath.IsAbs(secret.Path) {
			s.Secrets[i].Path = filepath.Join(p.Root, secret.Path)
		}
	}
	return s
}

// Platform finds a platform by its name. A leading "build." is not part of the name, unless there is a platform with
// exactly that name. A name that is none is an *UnknownPlatformError.
func (p *Project) Platform(name string) (Platform, error) {
	for _, candidate := range []string{name, strings.TrimPrefix(name, "build.")} {
		i, ok := slices.BinarySearchFunc(p.Platforms, candidate, func(pl Platform, name string) int {
			return strings.Compare(pl.Name, name)
		})
		if ok {
			return p.Platforms[i], nil
		}
	}
	return Platform{}, p.unknown(name)
}

// UnknownPlatformError is a platform that the project does not have.
type UnknownPlatformError struct {
	Name    string
	Nearest []string // names that may have been meant, the nearest first
	Dir     string   // the folder of the Dockerfiles, relative to the root
	Why     string   // why a Dockerfile of that name is not usable, "" when there is none
	Create  string   // absolute path of the Dockerfile that would make it a platform, "" when no file can
}

func (e *UnknownPlatformError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no platform %q in %s", e.Name, shown(e.Dir))
	if e.Why != "" {
		fmt.Fprintf(&b, ": %s", e.Why)
	}
	if len(e.Nearest) > 0 {
		fmt.Fprintf(&b, "; nearest: %s", strings.Join(e.Nearest, ", "))
	}
	b.WriteString("; `caisson -l` lists them all")
	if e.Create != "" && e.Why == "" {
		fmt.Fprintf(&b, "; to add it, create %s", shown(e.Create))
	}
	return b.String()
}

func (p *Project) unknown(name string) error {
	dir, err := filepath.Rel(p.Root, p.DockerDir)
	if err != nil {
		dir = p.DockerDir
	}
	// Someone who gives the Dockerfile itself means its platform.
	bare := strings.TrimPrefix(filepath.Base(name), "Dockerfile.")
	bare = strings.TrimPrefix(bare, "build.")

	names := make([]string, 0, len(p.Platforms))
	for _, pl := range p.Platforms {
		names = append(names, pl.Name)
	}
	e := &UnknownPlatformError{Name: name, Nearest: values.Nearest(bare, names), Dir: dir, Why: p.unusable[bare]}
	file := "Dockerfile.build." + bare
	if strings.HasPrefix(bare, "publish.") {
		file = "Dockerfile." + bare
	}
	switch got, ok := platformName(file); {
	case !strings.Contains(name, "/") && ok && got == bare:
		e.Create = filepath.Join(p.DockerDir, file)
	case e.Why == "" && len(e.Nearest) == 0:
		e.Why = "that cannot be the name of a platform"
	}
	return e
}

// regularFile says whether path is a regular file or a link to one.
func regularFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
