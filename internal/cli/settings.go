package cli

import (
	"cmp"
	"errors"
	"fmt"
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
	more, err := checkSecrets(more, root, getenv)
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return r, &UsageError{Reason: project.ConfigFile + ": " + usage.Reason, Hint: usage.Hint}
	}
	r.Secrets = slices.Concat(more, r.Secrets)
	return r, nil
}
