package cli

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"caisson/internal/project"
	"caisson/internal/project/config"
	"caisson/internal/project/values"
)

// withSettings returns the request with the settings of its platform from caisson.yaml where the line has no flag, and
// with a private network where neither decides. The secrets of the file are checked; a relative path in them is one
// below root. r stays as it is.
func (r Run) withSettings(s config.Settings, root string, getenv func(string) (string, bool)) (Run, error) {
	r.Network = cmp.Or(r.Network, s.Network, values.Private)
	r.Memory = cmp.Or(r.Memory, s.Memory)
	r.CPUs = cmp.Or(r.CPUs, s.CPUs)
	r.PIDs = cmp.Or(r.PIDs, s.PIDs)
	if r.Network != values.Private && len(r.Publish) > 0 {
		return r, refusePublish(fmt.Sprintf("network: %s in %s", r.Network, project.ConfigFile), r.Network)
	}
	var more []values.Secret
	for _, secret := range s.Secrets {
		if !slices.ContainsFunc(r.Secrets, func(own values.Secret) bool { return own.ID == secret.ID }) {
			more = append(more, secret)
		}
	}
	more, err := consented(more, root)
	if err != nil {
		return r, err
	}
	more, err = checkSecrets(more, root, getenv)
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return r, &UsageError{Reason: project.ConfigFile + ": " + usage.Reason, Hint: usage.Hint}
	}
	r.Secrets = slices.Concat(more, r.Secrets)
	return r, nil
}

// consented refuses what a project may not take for itself: a file outside of its tree, or a variable of the caller's. Who
// agrees says so on the command line. An optional secret is left out instead.
func consented(secrets []values.Secret, root string) (kept []values.Secret, err error) {
	for _, s := range secrets {
		no := unasked(s, root)
		if no != nil && !s.Optional {
			return nil, no
		}
		if no == nil {
			s.OfProject = true
			kept = append(kept, s)
		}
	}
	return kept, nil
}

func unasked(s values.Secret, root string) error {
	switch {
	case s.Env != "":
		return &UsageError{
			Reason: fmt.Sprintf("%s asks for your variable %s, as the secret %s", project.ConfigFile, values.Clip(s.Env), s.ID),
			Hint:   fmt.Sprintf("if it may have it: --secret id=%s,env=%s", s.ID, s.Env),
		}
	case s.Path == "":
		return &UsageError{
			Reason: fmt.Sprintf("%s needs the secret %s", project.ConfigFile, s.ID),
			Hint:   fmt.Sprintf("give it: --secret id=%s,src=FILE, or id=%s,env=NAME", s.ID, s.ID),
		}
	}
	path := s.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // a missing one is told of by who looks for it
	}
	if rel, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(rel) {
		return &UsageError{
			Reason: fmt.Sprintf("%s asks for %s, which is outside of the project, as the secret %s", project.ConfigFile, real, s.ID),
			Hint:   fmt.Sprintf("if it may have it: --secret id=%s,src=%s", s.ID, real),
		}
	}
	return nil
}
