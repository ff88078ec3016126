package image

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"caisson/internal/emulator"
	"caisson/internal/engine"
)

// fakeBuilder builds at once and remembers the keys that it was asked for.
type fakeBuilder struct{ keys []string }

func (b *fakeBuilder) Image(_ context.Context, key string) (engine.Image, error) {
	if slices.Contains(b.keys, key) {
		return engine.Image{}, nil
	}
	return engine.Image{}, engine.ErrNoImage
}

func (b *fakeBuilder) Resolve(context.Context, string, bool) (string, error) { return "sha256:1", nil }

func (b *fakeBuilder) Build(_ context.Context, req engine.BuildRequest, _ func(engine.Event)) (engine.Image, error) {
	b.keys = append(b.keys, req.Key)
	return engine.Image{}, nil
}

func TestAnImageIsBuiltAnewWhenItsEmulatorChanges(t *testing.T) {
	dir := tree(t, map[string]string{"Dockerfile": "FROM x", "a": "1"})
	stage := Stage{Written: "x", From: "x", External: true, Platform: "linux/s390x", Run: true}
	emulated := emulator.Emulator{Arch: "s390x", Version: "7.2.1", Hash: "sha256:1"}
	r := Request{
		Name: "x", Dockerfile: filepath.Join(dir, "Dockerfile"), Context: dir, CacheDir: t.TempDir(), Platform: "linux/amd64", Tries: 1,
		Planner: func(context.Context, string, []byte) (Plan, error) {
			return Plan{Escape: `\`, Stages: []Stage{stage}}, nil
		},
		Emulator: func(string) (emulator.Emulator, error) { return emulated, nil },
	}
	b := &fakeBuilder{}
	ensure := func(want string) {
		t.Helper()
		reason := "none"
		_, _, err := Ensure(context.Background(), b, r, Notify{Building: func(why string) { reason = why }, Note: func(string) {}})
		if err != nil || !strings.Contains(reason, want) {
			t.Errorf("built for the reason %q, %v; want %q", reason, err, want)
		}
	}
	ensure("first build")
	ensure("none")
	emulated.Version, emulated.Hash = "7.2.2", "sha256:2"
	ensure("emulator of s390x changed (was qemu 7.2.1, is qemu 7.2.2)")
	r.CPU = "z13"
	ensure("cpu of the emulator changed")
	ensure("none")

	r.Emulator = func(arch string) (emulator.Emulator, error) {
		return emulator.Emulator{}, &emulator.MissingError{Arch: arch, Program: "qemu-s390x-static"}
	}
	_, _, err := Ensure(context.Background(), b, r, Notify{})
	var missing *emulator.MissingError
	if !errors.As(err, &missing) || !isPermanent(err) {
		t.Errorf("without an emulator the error is %v", err)
	}
}

func TestTheProcessorOfEmulatorsDoesNotCountWithoutOne(t *testing.T) {
	dir := tree(t, map[string]string{"Dockerfile": "FROM x"})
	r := Request{Dockerfile: filepath.Join(dir, "Dockerfile"), Context: dir, CacheDir: t.TempDir(), Platform: "linux/amd64"}
	plain, err := r.key(context.Background(), planOf(), nil, nil, nil, nil)
	check(t, err)
	r.CPU = "z13"
	chosen, err := r.key(context.Background(), planOf(), nil, nil, nil, nil)
	check(t, err)
	if plain.Sum != chosen.Sum {
		t.Error("the key changed")
	}
}
