package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"caisson/internal/project/values"
)

// secrets reads the secrets of image builds: a list of mappings.
func (r *reader) secrets(of field) []values.Secret {
	if isNull(of.value) {
		return nil
	}
	if of.value.Kind != yaml.SequenceNode {
		r.refuse(of.valueAt, fmt.Sprintf("%s is a list, not %s", of.path(), kindOf(of.value)), "write "+secretsExample)
		return nil
	}
	if !r.look(of.value) {
		return nil
	}
	var secrets []values.Secret
	first := map[string]place{}
	for i, part := range of.value.Content {
		in := fmt.Sprintf("%s[%d]", of.path(), i)
		s, idAt := r.secret(part, in)
		if s.ID == "" {
			continue
		}
		if before, twice := first[s.ID]; twice {
			r.refuse(idAt, fmt.Sprintf("the secret %s is there twice: first at %s:%d:%d", values.Clip(s.ID), r.file, before.line,
				before.column), "remove one of them")
			continue
		}
		first[s.ID] = idAt
		secrets = append(secrets, s)
	}
	return secrets
}

// kindOf is kind for a place where the value of a secret may have been written by mistake: it is not shown.
func kindOf(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return "a single value"
	}
	return kind(n)
}

// secret reads one; its ID is "" when it is none. idAt is where the ID is.
func (r *reader) secret(part *yaml.Node, in string) (s values.Secret, idAt place) {
	n := resolved(part)
	idAt = at(part)
	if n.Kind != yaml.MappingNode {
		r.refuse(idAt, fmt.Sprintf("%s is a mapping, not %s", in, kindOf(n)), "write "+secretsExample)
		return s, idAt
	}
	hasID := false
	for _, f := range r.fields(n, idAt, in, secretsExample) {
		switch f.name {
		case "id":
			hasID, idAt = true, f.valueAt
			s.ID = r.secretID(f)
		case "src":
			s.Path = r.filled(f, "a file", "src: token.txt")
		case "env":
			s.Env = r.filled(f, "the name of a variable", "env: TOKEN")
		case "required":
			s.Optional = !r.truth(f)
		default:
			r.unknown(f, []string{"id", "src", "env", "required"})
		}
	}
	if !hasID {
		r.refuse(idAt, in+" has no id", "write id: NAME, which RUN --mount=type=secret,id=NAME uses")
	}
	if s.Path != "" && s.Env != "" {
		r.refuse(idAt, in+" has both src and env", "keep the one that has the value")
	}
	return s, idAt
}

func (r *reader) secretID(f field) string {
	id, ok := r.word(f, "a name", "id: token")
	if !ok {
		return ""
	}
	if no := values.SecretID(id); no != nil {
		r.refuse(f.valueAt, f.path()+": "+no.Reason, no.Hint)
		return ""
	}
	return id
}

// filled reads a value that may not be empty.
func (r *reader) filled(f field, takes, example string) string {
	text, ok := r.word(f, takes, example)
	if ok && text == "" {
		r.refuse(f.valueAt, f.path()+" is empty", fmt.Sprintf("write %s, or remove the key", example))
	}
	return text
}

// truth reads true or false.
func (r *reader) truth(f field) bool {
	if f.value.Kind == yaml.ScalarNode && f.value.Tag == "!!bool" {
		var yes bool
		if f.value.Decode(&yes) == nil {
			return yes
		}
	}
	r.refuse(f.valueAt, fmt.Sprintf("%s takes true or false, not %s", f.path(), kind(f.value)), "write required: false")
	return true
}
