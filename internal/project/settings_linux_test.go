package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caisson/internal/project/config"
	"caisson/internal/project/values"
)

func configured(t *testing.T, text string, paths ...string) string {
	t.Helper()
	root := tree(t, append(paths, "ci/docker/Dockerfile.build.armv7", "ci/docker/Dockerfile.build.arm64", "src/")...)
	if err := os.WriteFile(filepath.Join(root, ConfigFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTheNameInCaissonYamlWins(t *testing.T) {
	root := configured(t, "project: tensor\n", ".other_root")
	p := load(t, filepath.Join(root, "src"))
	if p.Name != "tensor" || p.NameRule != "project: in caisson.yaml" || p.Root != root {
		t.Errorf("name %q by %q, root %q", p.Name, p.NameRule, p.Root)
	}
}

func TestSettingsOfAPlatform(t *testing.T) {
	root := configured(t, `defaults:
  network: none
  pids: 500
  secrets: [{id: token, src: keys/token}, {id: other, src: /etc/other}, {id: last}]
platforms:
  armv7: {cpu: cortex-a7, network: host}
`)
	p := load(t, root)
	secrets := []values.Secret{{ID: "token", Path: filepath.Join(root, "keys/token")}, {ID: "other", Path: "/etc/other"}, {ID: "last"}}
	for name, want := range map[string]config.Settings{
		"armv7": {CPU: "cortex-a7", Network: "host", PIDs: 500, Secrets: secrets},
		"arm64": {Network: "none", PIDs: 500, Secrets: secrets},
	} {
		pl, err := p.Platform(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // asking leaves what the file says as it is
			if diff := cmp.Diff(want, p.Settings(pl)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if got := p.Config.Defaults.Secrets[0].Path; got != "keys/token" {
		t.Errorf("the file says %q", got)
	}
}

func TestAWrongCaissonYamlIsAnErrorWithItsPlace(t *testing.T) {
	root := configured(t, "projct: x\nplatforms:\n  armv8: {cpu: x}\n")
	_, err := Load(root)
	if _, ok := errors.AsType[config.Errors](err); !ok {
		t.Fatalf("%T %v", err, err)
	}
	path := filepath.Join(root, ConfigFile)
	want := path + `:1:1: no key "projct" at the top of the file; did you mean project?` + "\n" +
		path + `:3:3: no platform "armv8" has a Dockerfile; did you mean armv7?`
	if err.Error() != want {
		t.Errorf("%s\nwant\n%s", err, want)
	}
}

func TestACaissonYamlThatCannotBeReadIsAnError(t *testing.T) {
	root := configured(t, "")
	locked(t, filepath.Join(root, ConfigFile), 0)
	asAnOrdinaryUser(t, root, func() {
		_, err := Load(root)
		if err == nil || !strings.HasSuffix(err.Error(), "caisson.yaml: permission denied") {
			t.Errorf("%v", err)
		}
	})
}
