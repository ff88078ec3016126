package security

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

// hostileLayer writes an archive of a root file system whose entries try to leave it for dir.
func hostileLayer(t testing.TB, path, dir string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	w := tar.NewWriter(f)
	up := strings.Repeat("../", 20) + dir[1:]
	for _, h := range []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "up", Typeflag: tar.TypeSymlink, Linkname: dir},
		{Name: "up/through-a-link", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "relative", Typeflag: tar.TypeSymlink, Linkname: up},
		{Name: "relative/through-a-link", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: up + "/by-its-name", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "bin/../../../../../../../../.." + dir + "/in-the-middle", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: dir + "/absolute", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "stolen", Typeflag: tar.TypeLink, Linkname: dir + "/secret"},
		{Name: "stolen-up", Typeflag: tar.TypeLink, Linkname: up + "/secret"},
		{Name: "up/secret", Typeflag: tar.TypeReg, Mode: 0o666},
	} {
		must(t, w.WriteHeader(&h))
	}
	must(t, w.Close())
}

func TestALayerThatLeavesItsRootWritesAndReadsNothingOutside(t *testing.T) {
	dir, secret := outside(t)
	archive := filepath.Join(harness.TempDir(t), "hostile.tar")
	hostileLayer(t, archive, dir)
	store := harness.ColdStore(t)
	r := harness.Command{Store: store, Args: []string{"base", "add", "hostile", archive}}.Run(t)
	worksOrSays(t, r)
	untouched(t, dir, secret)
	if r.Code == 0 {
		tr := tiny(t, "FROM hostile AS h\nFROM tiny\nCOPY --from=h / /h/\n")
		tr.Store = store
		r := tr.Command("-r", "1", "-p", "tiny", "sh", "-c", "grep -r secret- /h; true").Run(t)
		worksOrSays(t, r)
		if strings.Contains(r.Stdout, secret) {
			t.Errorf("the image has the file:\n%s", r.Stdout)
		}
	}
	untouched(t, dir, secret)
}
