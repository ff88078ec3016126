package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"caisson/internal/project/values"
)

// reader is the state of reading one file.
type reader struct {
	file      string
	platforms []string
	errs      Errors
	said      map[advice]bool
	looked    int // at how many keys and parts of lists, each time that an alias names them
}

// mostLooks bounds what aliases of aliases can grow to; no file that is short enough comes near it without them.
const mostLooks = 200_000

// look counts a mapping or a list that is gone through, and is false once there were too many.
func (r *reader) look(n *yaml.Node) bool {
	before := r.looked
	r.looked += len(n.Content) + 1
	if before <= mostLooks && r.looked > mostLooks {
		r.refuse(at(n), "aliases make the file too large", "repeat less with * and <<")
	}
	return r.looked <= mostLooks
}

// field is one key of a mapping with its value.
type field struct {
	name       string
	key, value *yaml.Node // value has no alias any more, and valueAt is where it is written
	keyAt      place
	valueAt    place
	in         string // what the mapping is, for messages: "defaults"
}

// path names a field for people: "platforms.armv7.cpu".
func (f field) path() string {
	if f.in == "" {
		return f.name
	}
	return f.in + "." + f.name
}

// fields returns the keys of a mapping in their order, behind them those that << merges into it and that it has not
// itself. A value that is no mapping is refused, a missing one has no keys.
func (r *reader) fields(n *yaml.Node, place place, in, example string) []field {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		what := in
		if what == "" {
			what = "the file"
		}
		r.refuse(place, fmt.Sprintf("%s is a mapping of keys to values, not %s", what, kind(n)), "write "+example)
		return nil
	}
	return r.merged(n, in, nil)
}

// merged does the work of fields; around are the mappings that are being merged already.
func (r *reader) merged(n *yaml.Node, in string, around []*yaml.Node) []field {
	if slices.Contains(around, n) {
		r.refuse(at(n), "a mapping is merged into itself", "remove the << that names its own anchor")
		return nil
	}
	if !r.look(n) {
		return nil
	}
	var fields, merges []field
	first := map[string]place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f := field{key: resolved(key), value: resolved(value), keyAt: at(key), valueAt: at(value), in: in}
		f.name = f.key.Value
		if f.key.Kind != yaml.ScalarNode || isNull(f.key) {
			r.refuse(f.keyAt, fmt.Sprintf("a key is a word, not %s", kind(f.key)), "write key: value")
			continue
		}
		if before, twice := first[f.name]; twice {
			r.refuse(f.keyAt, fmt.Sprintf("the key %s is there twice: first at %s:%d:%d", values.Clip(f.name), r.file, before.line,
				before.column), "remove one of them")
			continue
		}
		first[f.name] = f.keyAt
		if f.key.Tag == "!!merge" {
			merges = append(merges, f)
		} else {
			fields = append(fields, f)
		}
	}
	for _, merge := range merges {
		for _, f := range r.merge(merge, append(around, n)) {
			if _, has := first[f.name]; !has {
				first[f.name] = f.keyAt
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// merge returns the fields of << : those of one mapping, or of a list of them.
func (r *reader) merge(f field, around []*yaml.Node) []field {
	sources := []*yaml.Node{f.value}
	if f.value.Kind == yaml.SequenceNode {
		if !r.look(f.value) {
			return nil
		}
		sources = f.value.Content
	}
	var fields []field
	for _, source := range sources {
		mapping := resolved(source)
		if mapping.Kind != yaml.MappingNode {
			r.refuse(f.valueAt, fmt.Sprintf("<< merges a mapping, not %s", kind(mapping)), "write <<: *NAME, where &NAME stands before a mapping")
			return fields
		}
		fields = append(fields, r.merged(mapping, f.in, around)...)
	}
	return fields
}

// unknown refuses a key that there is not.
func (r *reader) unknown(f field, known []string) {
	where := "at the top of the file"
	if f.in != "" {
		where = "in " + f.in
	}
	r.refuse(f.keyAt, fmt.Sprintf("no key %s %s", values.Clip(f.name), where), r.meant(f, known))
}

// meant says which key may have been meant, or which there are.
func (r *reader) meant(f field, known []string) string {
	if f.in == "" && slices.Contains(settingsKeys, f.name) {
		return "write it below defaults, for every platform, or below the name of a platform in platforms"
	}
	if f.in == "" && slices.Contains(r.platforms, f.name) {
		return "write it below platforms"
	}
	if near := values.Nearest(f.name, known); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	return "the keys are " + strings.Join(known, ", ")
}

// resolved is what an alias stands for, or the node itself.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kind says what a node is, for people.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.Tag == "!!merge" || n.Tag == "!!bool":
		return n.Value
	}
	return values.Clip(n.Value)
}
