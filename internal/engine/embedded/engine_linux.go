// Package embedded is the engine that needs nothing installed and no daemon: BuildKit builds the images, in the second
// program, and runc runs the containers, both from inside caisson's one file and both inside a sandbox.
//
// An image that is recorded under its content key is run without starting the builder at all.
package embedded

import (
	"context"
	"fmt"
	"time"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/image"
	"caisson/internal/image/base/index"
)

// Engine implements engine.Engine on one store.
type Engine struct{ store Store }

var _ engine.Engine = (*Engine)(nil)

// Open opens the engine on a store. An ordinary user needs subordinate ids (a *sandbox.SubordinateError says so).
func Open(store Store) (*Engine, error) {
	if err := mayMakeSandboxes(); err != nil {
		return nil, err
	}
	return &Engine{store: store}, nil
}

// Close implements engine.Engine: nothing is held between calls.
func (e *Engine) Close() error { return nil }

// Store of this engine.
func (e *Engine) Store() Store { return e.store }

// Capabilities implements engine.Engine.
func (e *Engine) Capabilities(context.Context) (engine.Capabilities, error) {
	return engine.Capabilities{
		Name: "embedded", MountsTree: true, PrivateNetwork: true, DeviceCgroup: !rootless() && len(cgroupDirs("x", false)) > 0,
	}, nil
}

// Image implements engine.Engine.
func (e *Engine) Image(_ context.Context, key string) (engine.Image, error) {
	r, err := e.store.readRecord(key)
	if err != nil {
		return engine.Image{}, err
	}
	return r.image()
}

// Plan reads a Dockerfile with BuildKit's own parser.
func (e *Engine) Plan(ctx context.Context, dockerfile string, text []byte) (image.Plan, error) {
	var p image.Plan
	err := e.store.call(ctx, wire.Plan, wire.PlanRequest{File: dockerfile, Text: text}, &p, nil, nil)
	return p, err
}

// Resolve implements engine.Engine.
func (e *Engine) Resolve(ctx context.Context, ref string, fresh bool) (string, error) {
	bases, err := index.Read(e.store.Bases())
	if err != nil {
		return "", err
	}
	if b, ok := index.Lookup(bases, ref); ok {
		return b.Digest, nil
	}
	known := image.OpenResolved(e.store.ImageCache())
	if digest, _, ok, err := known.Get(ref); err == nil && ok && !fresh {
		return digest, nil
	}
	var digest string
	if err := e.store.call(ctx, wire.Resolve, wire.ResolveRequest{Ref: ref}, &digest, nil, nil); err != nil {
		return "", err
	}
	return digest, known.Put(ref, digest)
}

// Build implements engine.Engine.
func (e *Engine) Build(ctx context.Context, req engine.BuildRequest, events func(engine.Event)) (engine.Image, error) {
	var none engine.Image
	conn, err := e.store.connectBuilder(ctx)
	if err != nil {
		return none, err
	}
	defer conn.Close()
	if f, err := e.store.form(); err == nil && !f.Upper {
		events(engine.Event{Kind: "note", Time: time.Now(), Text: f.words(e.store)})
	}
	for _, text := range e.store.notices() {
		events(engine.Event{Kind: "note", Time: time.Now(), Text: text})
	}
	bases, err := index.Read(e.store.Bases())
	if err != nil {
		return none, err
	}
	if req.Proxies, err = e.store.allowProxies(req); err != nil {
		return none, err
	}
	wreq := wire.BuildRequest{BuildRequest: req, BaseDir: e.store.Bases(), OwnBases: map[string]string{}}
	if wreq.Emulation, err = e.emulation(req.Emulate); err != nil {
		return none, err
	}
	for ref := range req.Bases {
		if b, ok := index.Lookup(bases, ref); ok {
			wreq.OwnBases[ref] = b.Digest
		}
	}
	if err := e.store.call(ctx, wire.Build, wreq, nil, conn, events); err != nil {
		return none, err
	}
	img, err := e.Image(ctx, req.Key)
	if err != nil {
		return none, fmt.Errorf("read the image that was just built: %w", err)
	}
	return img, nil
}

// Sweep implements engine.Engine.
func (e *Engine) Sweep(context.Context) ([]engine.Leftover, error) {
	left, err := e.store.sweepLayers()
	if err != nil {
		return left, err
	}
	more, err := e.store.sweepBuilder()
	return append(left, more...), err
}
