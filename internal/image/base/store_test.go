package base

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"golang.org/x/sync/errgroup"

	"caisson/internal/image/base/index"
)

func blobCount(t *testing.T, a *Adder) int {
	t.Helper()
	return len(fileNames(t, layout(a.Dir).blobs()))
}

func refs(entries []index.Entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, e.Ref[strings.LastIndexByte(e.Ref, '/')+1:])
	}
	return strings.Join(names, " ")
}

func TestAddingANameAgainReplacesItsImage(t *testing.T) {
	a, _ := newAdder(t)
	first, second := amd64Image(t), amd64Image(t)
	mustAdd(t, a, "x", writeLayout(t, first))
	e := mustAdd(t, a, "docker.io/library/x:latest", writeLayout(t, second))
	entries, err := List(t.Context(), a.Dir)
	if err != nil || len(entries) != 1 || entries[0] != e || e.Digest != digestOf(t, second) {
		t.Errorf("got %v, %v", entries, err)
	}
	if n := blobCount(t, a); n != 5 { // manifest, config, three layers
		t.Errorf("%d blobs are kept, want 5", n)
	}
}

func TestRemoveKeepsWhatAnotherBaseUses(t *testing.T) {
	a, _ := newAdder(t)
	img := amd64Image(t)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	sibling, err := mutate.AppendLayers(amd64Image(t), layers[0])
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, a, "one", writeLayout(t, img))
	mustAdd(t, a, "two", writeLayout(t, sibling))
	if n := blobCount(t, a); n != 5+6-1 {
		t.Errorf("%d blobs of two bases that share a layer", n)
	}
	if err := Remove(t.Context(), a.Dir, "one:latest"); err != nil {
		t.Fatal(err)
	}
	checkStore(t, a.Dir)
	entries, err := index.Read(a.Dir)
	if err != nil || refs(entries) != "two:latest" || blobCount(t, a) != 6 {
		t.Errorf("left are %v, %v, and %d blobs", entries, err, blobCount(t, a))
	}
	if err := Remove(t.Context(), a.Dir, "two"); err != nil || blobCount(t, a) != 0 {
		t.Errorf("%v, and %d blobs", err, blobCount(t, a))
	}
}

func TestRemoveOfAnUnknownBaseNamesThoseThereAre(t *testing.T) {
	a, _ := newAdder(t)
	err := Remove(t.Context(), a.Dir, "x")
	if err == nil || !strings.Contains(err.Error(), "none at all") {
		t.Errorf("without a store: %v", err)
	}
	mustAdd(t, a, "one", writeLayout(t, amd64Image(t)))
	err = Remove(t.Context(), a.Dir, "x")
	if err == nil || !strings.Contains(err.Error(), "docker.io/library/one:latest") {
		t.Errorf("with one base: %v", err)
	}
}

func TestManyAddsAtOnce(t *testing.T) {
	a, _ := newAdder(t)
	images := []gcr.Image{amd64Image(t), amd64Image(t), amd64Image(t)}
	var dirs []string
	for _, img := range images {
		dirs = append(dirs, writeLayout(t, img))
	}
	var g errgroup.Group
	for i := range 24 { // eight names, each thrice at once from different sources
		g.Go(func() error {
			each := &Adder{Dir: a.Dir}
			_, err := each.Add(t.Context(), fmt.Sprintf("x%d", i%8), dirs[i/8])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	checkStore(t, a.Dir)
	entries, err := index.Read(a.Dir)
	if err != nil || len(entries) != 8 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestAStageOfADeadAddIsSweptAndALiveOneStays(t *testing.T) {
	a, _ := newAdder(t)
	st, err := openStore(a.Dir, a.note)
	if err != nil {
		t.Fatal(err)
	}
	live, err := st.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(a.Dir, stagePrefix+"dead", "blobs", "sha256")
	if err := os.MkdirAll(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(t.Context(), "x", writeLayout(t, amd64Image(t))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a.Dir, stagePrefix+"dead")); err == nil {
		t.Error("the dead stage is still there")
	}
	if _, err := os.Stat(live.layout.blobs()); err != nil {
		t.Errorf("the live stage: %v", err)
	}
	if err := live.discard(); err != nil {
		t.Error(err)
	}
	checkStore(t, a.Dir)
}

func TestADamagedIndexIsMovedAsideAndMadeAnew(t *testing.T) {
	a, n := newAdder(t)
	idx := multiArch(t)
	mustAdd(t, a, "one", writeLayout(t, amd64Image(t)))
	want := mustAdd(t, a, "many", writeLayout(t, idx))
	file := filepath.Join(a.Dir, "index.json")
	if err := os.WriteFile(file, []byte(`{"manifests": [`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(t.Context(), "new", writeLayout(t, amd64Image(t))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.text(), "index.json.damaged") {
		t.Errorf("said was %q", n.text())
	}
	if err := os.Remove(file + ".damaged"); err != nil {
		t.Error(err)
	}
	checkStore(t, a.Dir)
	entries, err := List(t.Context(), a.Dir)
	if err != nil || refs(entries) != "many:latest new:latest one:latest" || entries[0] != want {
		t.Errorf("got %v, %v", entries, err)
	}
}

func TestListWritesADamagedLightListAnew(t *testing.T) {
	a, _ := newAdder(t)
	want := mustAdd(t, a, "one", writeLayout(t, amd64Image(t)))
	if err := os.WriteFile(filepath.Join(a.Dir, index.FileName), []byte("[{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, read := range []func() ([]index.Entry, error){
		func() ([]index.Entry, error) { return List(t.Context(), a.Dir) },
		func() ([]index.Entry, error) { return index.Read(a.Dir) },
	} {
		if entries, err := read(); err != nil || len(entries) != 1 || entries[0] != want {
			t.Errorf("got %v, %v", entries, err)
		}
	}
}

func TestAnAddHealsADamagedBlob(t *testing.T) {
	a, n := newAdder(t)
	img := amd64Image(t)
	dir := writeLayout(t, img)
	mustAdd(t, a, "one", dir)
	h, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(layout(a.Dir).blobs(), h.Hex), 3); err != nil {
		t.Fatal(err)
	}
	// Another add leaves all blobs where they are and says which base is damaged.
	if _, err := a.Add(t.Context(), "two", writeLayout(t, amd64Image(t))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(n.text(), "docker.io/library/one:latest is damaged") {
		t.Errorf("said was %q", n.text())
	}
	mustAdd(t, a, "one", dir)
}
