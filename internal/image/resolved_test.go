package image

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func TestResolvedRemembersAcrossCallers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	store := OpenResolved(dir)
	if _, _, ok, err := store.Get("debian:bookworm"); ok || err != nil {
		t.Fatalf("an empty store has an answer (%t) or an error (%v)", ok, err)
	}
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error { return OpenResolved(dir).Put(fmt.Sprint("image:", i), fmt.Sprint("sha256:", i)) })
	}
	check(t, group.Wait())
	for i := range 20 {
		digest, at, ok, err := store.Get(fmt.Sprint("image:", i))
		if digest != fmt.Sprint("sha256:", i) || !ok || err != nil || time.Since(at) > time.Minute {
			t.Errorf("image:%d is %q, %t, %v, %v", i, digest, ok, at, err)
		}
	}
	check(t, store.Put("image:3", "sha256:new"))
	if digest, _, _, _ := store.Get("image:3"); digest != "sha256:new" {
		t.Errorf("after a second put, image:3 is %q", digest)
	}
}

func TestASpoiledResolvedFileCountsAsEmpty(t *testing.T) {
	dir := t.TempDir()
	store := OpenResolved(dir)
	for _, text := range []string{"", "{", "null", "[]"} {
		check(t, os.WriteFile(store.path(), []byte(text), 0o600))
		if _, _, ok, err := store.Get("a"); ok || err != nil {
			t.Errorf("%q: %t, %v", text, ok, err)
		}
		check(t, store.Put("a", "sha256:1"))
		if digest, _, _, _ := store.Get("a"); digest != "sha256:1" {
			t.Errorf("%q: after a put the digest is %q", text, digest)
		}
	}
}
