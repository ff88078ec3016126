package security

import (
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

func TestACaissonYamlCannotNameAFileOutsideOfTheTree(t *testing.T) {
	dir, secret := outside(t)
	tr := harness.NewTree(t, nil).Owned(t)
	link(t, filepath.Join(dir, "secret"), tr.File("link"))
	link(t, dir, tr.File("folder"))
	for _, src := range []string{filepath.Join(dir, "secret"), "../../../../../../../.." + dir + "/secret", "link", "folder/secret"} {
		t.Run(src, func(t *testing.T) {
			tr.Write(t, map[string]string{"caisson.yaml": "defaults: {secrets: [{id: s, src: " + src + "}]}\n"})
			r := tr.Command("-p", "tiny", "sh", "-c", "cat /run/secrets/s; ls /run/secrets").Run(t)
			refused(t, r, "caisson.yaml", "outside")
			if r.Stdout == secret+"\ns\n" {
				t.Error("the run has the file")
			}
		})
	}
}

// With sudo the file is read for the one who called it.
func TestACaissonYamlCannotNameAFileThatTheCallerCannotRead(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"keys/root": "of root", "caisson.yaml": "defaults: {secrets: [{id: s, src: keys/root}]}\n"}).Owned(t)
	closeFile(t, tr.File("keys/root"))
	refused(t, tr.Command("-p", "tiny", "cat", "/run/secrets/s").Run(t), "permission denied")
}

func TestACaissonYamlThatAsksForTheHostsNetworkIsSaid(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"caisson.yaml": "defaults: {network: host}\n"})
	for range 2 { // with the build and without
		r := tr.Must(t, "-p", "tiny", "true")
		contains(t, r.Stderr, "network")
		contains(t, r.Stderr, "caisson.yaml")
	}
}

func TestASecretsIdIsNoPath(t *testing.T) {
	dir, _ := outside(t)
	tr := harness.NewTree(t, nil)
	for _, id := range []string{"../../etc/passwd", "..", "/etc/passwd", "a/../../../etc/hosts", "."} {
		refused(t, tr.Command("--secret", "id="+id+",src="+filepath.Join(dir, "secret"), "-p", "tiny", "true").Run(t), "secret")
	}
}
