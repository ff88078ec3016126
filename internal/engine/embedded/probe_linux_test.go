package embedded

import (
	"strings"
	"testing"
)

func TestTheHintIsAboutTheSettingThatForbidsUserNamespaces(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces="},
		{"kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "sudo apparmor_parser -r"},
		{"", "", "--security-opt seccomp=unconfined"},
	} {
		got := userNamespaceHint(func(name string) string {
			if name == c.name {
				return c.value
			}
			return ""
		})
		if !strings.Contains(got, c.want) {
			t.Errorf("%s=%s: %q, want %q in it", c.name, c.value, got, c.want)
		}
	}
}
