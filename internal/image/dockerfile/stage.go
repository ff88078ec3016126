package dockerfile

import (
	"maps"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"caisson/internal/image"
)

var wholeContext = image.Source{Path: "."}

// stage reads the i-th stage into the plan.
func (r *reader) stage(i int, parsed instructions.Stage) error {
	s := &r.plan.Stages[i]
	s.Written, s.From, s.Platform = parsed.BaseName, parsed.BaseName, parsed.Platform
	if len(parsed.Location) > 0 {
		s.Line = parsed.Location[0].Start.Line
	}
	env := newVariables()
	base, known := r.expand(parsed.BaseName, r.globals)
	if known && base != "" {
		s.From = base
	}
	j := r.earlier(i, s.From)
	s.External = j < 0 && s.From != "scratch"
	// With a variable in FROM, a build argument may choose another base with another environment.
	if j >= 0 && s.From == s.Written {
		env.values = maps.Clone(r.envs[j].values)
	}
	r.envs = append(r.envs, env)
	for _, command := range parsed.Commands {
		if err := r.command(s, command, env); err != nil {
			return err
		}
		if _, ok := command.(*instructions.OnbuildCommand); ok {
			r.envs[i] = newVariables() // a trigger may set any variable in the stages built from this one
		}
	}
	return nil
}

func (r *reader) command(s *image.Stage, command instructions.Command, env *variables) error {
	switch c := command.(type) {
	case *instructions.ArgCommand:
		for _, arg := range c.Args {
			s.Args = append(s.Args, image.Arg{Name: arg.Key, Default: arg.Value})
			env.forget(arg.Key)
		}
	case *instructions.EnvCommand:
		r.env(c, env)
	case *instructions.CopyCommand:
		if c.From != "" {
			r.from(s, c.From, true)
			return nil
		}
		for _, word := range c.SourcePaths {
			addSource(s, r.copySource(word, env, c.Parents))
		}
	case *instructions.AddCommand:
		r.add(s, c, env)
	case *instructions.RunCommand:
		s.Run = true
		r.mounts(s, c, env)
	case *instructions.OnbuildCommand:
		return r.onbuild(s, c)
	}
	return nil
}

// env sets what an ENV sets. All its values see the environment before it.
func (r *reader) env(c *instructions.EnvCommand, env *variables) {
	before := &variables{maps.Clone(env.values)}
	for _, pair := range c.Env {
		name, nameKnown := r.expand(pair.Key, before)
		value, known := r.expand(pair.Value, before)
		switch {
		case !nameKnown:
			clear(env.values) // it may have set any of them
		case known:
			env.set(name, value)
		default:
			env.forget(name)
		}
	}
}

func (r *reader) copySource(word string, env *variables, parents bool) image.Source {
	source, known := r.expand(word, env)
	if !known {
		return wholeContext
	}
	clean := strings.TrimPrefix(path.Join("/", source), "/")
	if parents {
		// The folders on the way are copied too, with their permissions.
		clean, _, _ = strings.Cut(clean, "/")
		if strings.ContainsAny(clean, `*?[\`) {
			return wholeContext // a pattern of --parents may have a ** that matches several levels
		}
	}
	if clean == "" {
		return wholeContext
	}
	return image.Source{Path: clean}
}

func (r *reader) add(s *image.Stage, c *instructions.AddCommand, env *variables) {
	for _, word := range c.SourcePaths {
		source, known := r.expand(word, env)
		switch {
		case !known:
			addSource(s, wholeContext)
			if strings.Contains(word, "://") {
				s.Remote = appendOnce(s.Remote, word)
			}
		case isRemote(source):
			s.Remote = appendOnce(s.Remote, source)
		default:
			addSource(s, r.copySource(word, env, false))
		}
	}
}

// isRemote says whether ADD gets a source from elsewhere, by BuildKit's own rules.
func isRemote(source string) bool {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return true
	}
	ref, _, err := dfgitutil.ParseGitRef(source)
	return err == nil && !ref.IndistinguishableFromLocal
}

// mounts reads the mounts of a RUN.
func (r *reader) mounts(s *image.Stage, c *instructions.RunCommand, env *variables) {
	for _, mount := range instructions.GetMounts(c) {
		r.from(s, mount.From, false) // never a variable, so it is known before expansion
	}
	allKnown := true
	err := c.Expand(func(word string) (string, error) {
		value, known := r.expand(word, env)
		allKnown = allKnown && known
		return value, nil
	})
	if err != nil || !allKnown {
		addSource(s, wholeContext)
		return
	}
	for _, mount := range instructions.GetMounts(c) {
		if mount.Type != instructions.MountTypeBind || mount.From != "" {
			continue
		}
		clean := strings.TrimPrefix(path.Join("/", mount.Source), "/")
		if clean == "" {
			addSource(s, wholeContext)
		} else {
			addSource(s, image.Source{Path: clean, Literal: true})
		}
	}
}

// onbuild counts a trigger as if it ran here: a later stage may be built from this one. It sees that stage's variables,
// so none is known.
func (r *reader) onbuild(s *image.Stage, c *instructions.OnbuildCommand) error {
	parsed, err := parser.Parse(strings.NewReader(c.Expression))
	if err != nil {
		return parser.SetLocation(err, c.Location())
	}
	for _, node := range parsed.AST.Children {
		command, err := instructions.ParseCommand(node)
		if err != nil {
			return parser.SetLocation(err, c.Location())
		}
		if err := r.command(s, command, newVariables()); err != nil {
			return err
		}
	}
	return nil
}

// addSource adds a source to a stage. The whole context makes the others superfluous.
func addSource(s *image.Stage, source image.Source) {
	if len(s.Sources) == 1 && s.Sources[0] == wholeContext {
		return
	}
	if source == wholeContext {
		s.Sources = []image.Source{wholeContext}
		return
	}
	s.Sources = appendOnce(s.Sources, source)
}
