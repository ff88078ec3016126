package image

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Plan is what of a Dockerfile decides whether and from what an image is built. It depends on the text alone, not on
// build arguments, so it can be cached by text.
type Plan struct {
	Syntax string  `json:"syntax,omitempty"` // image of a "# syntax=" directive
	Escape string  `json:"escape"`           // escape character, \ or `
	Args   []Arg   `json:"args,omitempty"`   // ARG before the first FROM
	Stages []Stage `json:"stages"`
}

// Arg is a declared build argument.
type Arg struct {
	Name    string  `json:"name"`
	Default *string `json:"default,omitempty"` // as written; nil when there is none
}

// Stage is one FROM and what follows it. What an ONBUILD of the stage itself would do counts as if the stage did it.
type Stage struct {
	Name    string `json:"name,omitempty"` // lower case, as BuildKit compares it
	Line    int    `json:"line"`           // of FROM
	Written string `json:"written"`        // the reference as the Dockerfile has it
	// From is Written with the defaults of the global arguments, or Written where a variable has no default.
	From string `json:"from"`
	// External: From is neither an earlier stage nor scratch.
	External bool     `json:"external,omitempty"`
	Platform string   `json:"platform,omitempty"` // --platform as written
	Run      bool     `json:"run,omitempty"`      // it has a RUN, so its processor is needed
	Args     []Arg    `json:"args,omitempty"`
	Sources  []Source `json:"sources,omitempty"` // what of the context it uses
	Images   []string `json:"images,omitempty"`  // external images of COPY --from and RUN --mount=from
	Needs    []int    `json:"needs,omitempty"`   // stages of COPY --from and RUN --mount=from, by index
	Remote   []string `json:"remote,omitempty"`  // URLs and git references of ADD
}

// Source is a part of the context folder: a slash path relative to it, "." for all of it. A folder stands for all that
// is below it.
type Source struct {
	Path string `json:"path"`
	// Literal: no character of Path is a wildcard (the source of a mount).
	Literal bool `json:"literal,omitempty"`
}

// scratch is the name of the empty base.
const scratch = "scratch"

// DeclaresArg says whether any stage declares the build argument.
func (p Plan) DeclaresArg(name string) bool {
	return slices.ContainsFunc(p.Stages, func(s Stage) bool { return hasArg(s.Args, name) })
}

func hasArg(args []Arg, name string) bool {
	return slices.ContainsFunc(args, func(a Arg) bool { return a.Name == name })
}

// sources returns the sources of all stages, sorted, each once.
func (p Plan) sources() []Source {
	var all []Source
	for _, s := range p.Stages {
		all = append(all, s.Sources...)
	}
	slices.SortFunc(all, func(a, b Source) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 || a.Literal == b.Literal {
			return c
		}
		if a.Literal {
			return -1
		}
		return 1
	})
	return slices.Compact(all)
}

// ExternalImages returns the images that the target needs and that no stage makes, in the order of the Dockerfile, each
// once. The target is a stage's name, "" for the last stage. args are the build arguments given, platform is the one
// to build for ("linux/arm/v7"). It fails on a target that does not exist and on a FROM that it cannot expand.
func (p Plan) ExternalImages(target string, args map[string]string, platform string) ([]string, error) {
	last, err := p.targetIndex(target)
	if err != nil {
		return nil, err
	}
	froms, err := p.expandFroms(target, args, platform)
	if err != nil {
		return nil, err
	}
	needed := p.needed(last, froms)
	var images []string
	for i, s := range p.Stages {
		if !needed[i] {
			continue
		}
		own := s.Images
		if froms[i].stage < 0 && froms[i].base != scratch {
			own = append([]string{froms[i].base}, own...)
		}
		for _, ref := range own {
			if !slices.Contains(images, ref) {
				images = append(images, ref)
			}
		}
	}
	return images, nil
}

// needed says of each stage whether the last one is built from it, itself included.
func (p Plan) needed(last int, froms []from) []bool {
	needed := make([]bool, len(p.Stages))
	var visit func(i int)
	visit = func(i int) {
		if i < 0 || i >= len(p.Stages) || needed[i] {
			return
		}
		needed[i] = true
		visit(froms[i].stage)
		for _, n := range p.Stages[i].Needs {
			visit(n)
		}
	}
	visit(last)
	return needed
}

// earlierStage returns the stage before i that a FROM of this name means, else -1. BuildKit compares without folding
// the case of the reference, and a later stage hides an earlier one of the same name.
func (p Plan) earlierStage(i int, name string) int {
	for j := i - 1; j >= 0; j-- {
		if name != "" && p.Stages[j].Name == name {
			return j
		}
	}
	return -1
}

func (p Plan) targetIndex(target string) (int, error) {
	if len(p.Stages) == 0 {
		return 0, fmt.Errorf("the Dockerfile has no stage; it needs a FROM")
	}
	if target == "" {
		return len(p.Stages) - 1, nil
	}
	var names []string
	for i := len(p.Stages) - 1; i >= 0; i-- {
		name := p.Stages[i].Name
		if name == strings.ToLower(target) {
			return i, nil
		}
		if name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("the Dockerfile has no stage %q, and none of its stages has a name (FROM … AS NAME)", target)
	}
	slices.Reverse(names)
	return 0, fmt.Errorf("the Dockerfile has no stage %q; its stages are %s", target, strings.Join(names, ", "))
}

// from is a stage's FROM with the build arguments in it.
type from struct {
	base     string // an image, a stage or scratch
	stage    int    // the earlier stage that base names, else -1
	platform string // --platform, "" without one
}

// expandFroms returns each stage's FROM.
func (p Plan) expandFroms(target string, args map[string]string, platform string) ([]from, error) {
	if target == "" {
		target = p.Stages[len(p.Stages)-1].Name
	}
	values := platformArgs(target, args, platform)
	lookup := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	escape := '\\'
	if p.Escape == "`" {
		escape = '`'
	}
	for _, arg := range p.Args {
		if given, ok := args[arg.Name]; ok {
			values[arg.Name] = given
		} else if arg.Default != nil {
			value, err := expand(*arg.Default, escape, lookup)
			if err != nil {
				return nil, fmt.Errorf("default of ARG %s: %w", arg.Name, err)
			}
			values[arg.Name] = value
		}
	}
	froms := make([]from, len(p.Stages))
	for i, s := range p.Stages {
		base, err := expand(s.Written, escape, lookup)
		if err != nil {
			return nil, fmt.Errorf("line %d: FROM: %w", s.Line, err)
		}
		if base == "" {
			return nil, fmt.Errorf("line %d: FROM %s names no image; give its ARG a default or a --build-arg", s.Line, s.Written)
		}
		froms[i] = from{base: base, stage: p.earlierStage(i, base)}
		if froms[i].platform, err = expand(s.Platform, escape, lookup); err != nil {
			return nil, fmt.Errorf("line %d: FROM --platform: %w", s.Line, err)
		}
		if s.Platform != "" && froms[i].platform == "" {
			return nil, fmt.Errorf("line %d: FROM --platform=%s names no platform; give its ARG a default or a --build-arg", s.Line, s.Platform)
		}
	}
	return froms, nil
}

// platformArgs returns the arguments that BuildKit sets by itself for FROM, with those overridden that were given.
// https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
func platformArgs(target string, args map[string]string, platform string) map[string]string {
	if target == "" {
		target = "default"
	}
	os, arch, _ := strings.Cut(platform, "/")
	arch, variant, _ := strings.Cut(arch, "/")
	values := map[string]string{
		"TARGETPLATFORM": platform, "TARGETOS": os, "TARGETARCH": arch, "TARGETVARIANT": variant, "TARGETOSVERSION": "",
		"BUILDPLATFORM": "linux/" + runtime.GOARCH, "BUILDOS": "linux", "BUILDARCH": runtime.GOARCH, "BUILDVARIANT": "",
		"BUILDOSVERSION": "", "TARGETSTAGE": target,
	}
	for name := range values {
		if given, ok := args[name]; ok {
			values[name] = given
		}
	}
	return values
}

// countedArgs returns those of the given build arguments that can change the image: declared ones, those that BuildKit
// sets or obeys without a declaration. Proxy variables do not count, as with Docker's own cache.
func (p Plan) countedArgs(args map[string]string) map[string]string {
	counted := map[string]string{}
	automatic := platformArgs("", nil, "")
	for name, value := range args {
		_, known := automatic[name]
		if known || name == "SOURCE_DATE_EPOCH" || strings.HasPrefix(name, "BUILDKIT_") ||
			hasArg(p.Args, name) || p.DeclaresArg(name) {
			counted[name] = value
		}
	}
	return counted
}
