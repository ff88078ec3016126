package image

import (
	"fmt"
	"slices"
	"strings"

	"caisson/internal/emulator"
)

// Architectures returns those that the target needs and that this machine does not run by itself ("arm", "riscv64"),
// sorted: those of the stages with a RUN, and the target's own. target, args and platform are those of ExternalImages.
// baseArch returns what a base of the store is for, as index.Entry.Arch has it, "" for any other image; it may be nil.
// It fails on a platform that no emulator runs.
func (p Plan) Architectures(target string, args map[string]string, platform string, baseArch func(string) string) ([]string, error) {
	last, err := p.targetIndex(target)
	if err != nil {
		return nil, err
	}
	froms, err := p.expandFroms(target, args, platform)
	if err != nil {
		return nil, err
	}
	needed := p.needed(last, froms)
	platforms := make([]string, len(p.Stages))
	var archs []string
	for i, s := range p.Stages {
		platforms[i] = stagePlatform(froms[i], platforms, platform, baseArch)
		if !needed[i] || !s.Run && i != last {
			continue
		}
		is, err := emulator.Parse(platforms[i])
		if err == nil && froms[i].stage < 0 && froms[i].platform != "" {
			err = fits(froms[i].base, is, baseArch)
		}
		if err == nil && is.OS != "linux" {
			err = fmt.Errorf("platform %s cannot run here: images are for Linux", is)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: FROM %s: %w", s.Line, froms[i].base, err)
		}
		if !is.Native() && !slices.Contains(archs, is.Architecture) {
			archs = append(archs, is.Architecture)
		}
	}
	slices.Sort(archs)
	return archs, nil
}

// stagePlatform returns a stage's platform as BuildKit sees it: that of the earlier stage that it is built from, whatever
// --platform says; scratch has the one that is built for; a base of the store that is for others has its own.
func stagePlatform(f from, earlier []string, platform string, baseArch func(string) string) string {
	switch {
	case f.stage >= 0:
		return earlier[f.stage]
	case f.base == scratch:
		return platform
	case f.platform != "":
		return f.platform
	case baseArch == nil || baseArch(f.base) == "":
		return platform
	}
	archs := strings.Split(baseArch(f.base), ",")
	if wanted, err := emulator.Parse(platform); err == nil && isAmong(wanted, archs) {
		return platform
	}
	return archs[0]
}

// isAmong says whether one of the architectures of a base is the wanted platform's. Variants are not compared.
func isAmong(wanted emulator.Platform, archs []string) bool {
	return slices.ContainsFunc(archs, func(arch string) bool {
		is, err := emulator.Parse(arch)
		return err == nil && is.OS == wanted.OS && is.Architecture == wanted.Architecture
	})
}

// fits refuses a base of the store that is for other processors than its FROM asks for: BuildKit takes it all the same.
func fits(base string, wanted emulator.Platform, baseArch func(string) string) error {
	if baseArch == nil || baseArch(base) == "" {
		return nil
	}
	archs := baseArch(base)
	if isAmong(wanted, strings.Split(archs, ",")) {
		return nil
	}
	return fmt.Errorf("this base of the store is for %s, not for %s: leave --platform out, or add one that is with `caisson base add`",
		archs, wanted)
}
