package project

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
)

// ImageName is the name of a platform's image, <registry>/build.<platform>. A nil registry is the project's own,
// <project>ci; an empty one means that no registry is to be asked, and gives <project>_local/build.<platform>. Names
// may hold anything; what the grammar of image references does not allow
// (https://pkg.go.dev/github.com/distribution/reference) is replaced.
func (p *Project) ImageName(registry *string, platform string) string {
	// A dot in the first element would make it the name of a host.
	name := strings.ReplaceAll(imageElement(p.Name), ".", "-")
	prefix := name + "ci"
	if registry != nil {
		prefix = name + "_local"
		if given := registryName(*registry); given != "" {
			prefix = given
		}
	}
	return prefix + "/build." + imageElement(platform)
}

// registryName makes the name of a registry, "host:port/path" or "path", fit for a reference. It is "" when nothing is
// left.
func registryName(registry string) string {
	registry = strings.TrimSpace(registry)
	for _, scheme := range []string{"https://", "http://"} {
		registry = strings.TrimPrefix(registry, scheme)
	}
	registry = strings.Trim(registry, "/")
	if registry == "" {
		return ""
	}
	elements := strings.Split(registry, "/")
	host := strings.ToLower(elements[0])
	if !isHost(host) {
		host = imageElement(host)
	}
	elements[0] = host
	kept := elements[:1]
	for _, element := range elements[1:] {
		if element != "" {
			kept = append(kept, imageElement(element))
		}
	}
	return strings.Join(kept, "/")
}

const hostPattern = `^(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)(:[0-9]+)?$`

// isHost compiles its pattern here and not at start: few runs name a registry, and all would pay.
func isHost(element string) bool { return regexp.MustCompile(hostPattern).MatchString(element) }

// imageElement makes one element of an image's name: lower-case letters and digits, between them single dots, one or
// two underscores, or hyphens. A long name is cut; a digest keeps it apart from others that begin alike.
func imageElement(name string) string {
	const longest, digest = 80, 8
	var b strings.Builder
	for rest := strings.ToLower(name); rest != ""; {
		plain := len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz0123456789"))
		if plain > 0 {
			b.WriteString(rest[:plain])
			rest = rest[plain:]
			continue
		}
		odd := strings.IndexFunc(rest, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' })
		if odd < 0 || b.Len() == 0 { // at an end nothing separates
			if odd < 0 {
				break
			}
			rest = rest[odd:]
			continue
		}
		b.WriteString(separator(rest[:odd]))
		rest = rest[odd:]
	}
	element := b.String()
	sum := fnv.New32a()
	sum.Write([]byte(name))
	switch {
	case element == "":
		return fmt.Sprintf("x%08x", sum.Sum32()) // nothing of the name is left
	case len(element) > longest:
		head := strings.TrimRight(element[:longest-digest-1], "._-")
		return fmt.Sprintf("%s-%08x", head, sum.Sum32())
	}
	return element
}

// separator is what stands for a run of characters that are neither letters nor digits.
func separator(run string) string {
	if run == "." || run == "_" || run == "__" || strings.Trim(run, "-") == "" {
		return run
	}
	return "-"
}
