package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"caisson/internal/emulator"
	"caisson/internal/engine"
)

// Builder is what Ensure needs of an engine.
type Builder interface {
	Image(ctx context.Context, key string) (engine.Image, error)
	Resolve(ctx context.Context, ref string, fresh bool) (string, error)
	Build(ctx context.Context, req engine.BuildRequest, events func(engine.Event)) (engine.Image, error)
}

// Request says which image is wanted.
type Request struct {
	Name       string            // for people: "projectci/build.armv7"
	Dockerfile string            // absolute path
	Context    string            // absolute path of the context folder
	Target     string            // stage, "" is the last one
	Args       map[string]string // build arguments
	CallerArgs map[string]string // build arguments that count only where a stage declares them
	Platform   string            // "linux/amd64"
	CPU        string            // the processor that emulators are to be, "" for the one they choose
	CacheDir   string
	Planner    Planner
	ReadFile   func(path string) ([]byte, error) // of the Dockerfile, nil is ReadRegular
	NoCache    bool                              // build every step anew
	Pull       bool                              // resolve bases anew
	Tries      int
	Progress   string // see engine.BuildRequest, as the four that follow
	Network    engine.Network
	Proxies    []string
	Secrets    []engine.Secret
	SSH        []engine.SSHAgent
	// BaseArch returns what a base of the store is for, as index.Entry.Arch has it, "" for any other image; may be nil.
	BaseArch func(ref string) string
	// Emulator finds the emulator of an architecture that the image needs and this machine does not run.
	Emulator func(arch string) (emulator.Emulator, error)
}

// Notify is told what Ensure does.
type Notify struct {
	Building func(reason string) // before a build, with the reason for it
	Note     func(string)
	Event    func(engine.Event)
}

// Ensure returns the image, which it builds when none is recorded under its content key. built says whether it did.
func Ensure(ctx context.Context, b Builder, r Request, n Notify) (img engine.Image, built bool, err error) {
	read := r.ReadFile
	if read == nil {
		read = ReadRegular
	}
	plan, text, err := LoadPlan(ctx, r.CacheDir, r.Dockerfile, read, r.Planner)
	if err != nil {
		return img, false, err
	}
	args := map[string]string{}
	for name, value := range r.CallerArgs {
		if plan.DeclaresArg(name) {
			args[name] = value
		}
	}
	for name, value := range r.Args {
		args[name] = value
	}
	bases, err := resolveBases(ctx, b, plan, r, args)
	if err != nil {
		return img, false, err
	}
	emulators, err := r.emulators(plan, args)
	if err != nil {
		return img, false, err
	}
	key, err := r.key(ctx, plan, text, args, bases, emulators)
	if err != nil {
		return img, false, err
	}
	lookup := engine.ErrNoImage
	if !r.NoCache {
		img, lookup = b.Image(ctx, key.Sum)
	}
	if lookup == nil {
		return img, false, r.setCurrent(key)
	}
	if !errors.Is(lookup, engine.ErrNoImage) {
		return img, false, lookup
	}
	n.Building(r.reason(key, lookup))
	err = Retry(ctx, r.Tries, nil, n.Note, func(ctx context.Context) error {
		img, err = b.Build(ctx, engine.BuildRequest{
			Key: key.Sum, Name: r.Name, Dockerfile: r.Dockerfile, Context: r.Context, Target: r.Target, Args: args,
			Bases: bases, NoCache: r.NoCache, Progress: r.Progress, Emulate: r.emulate(emulators),
			Network: r.Network, Proxies: r.Proxies, Secrets: r.Secrets, SSH: r.SSH,
		}, n.Event)
		return err
	})
	if err != nil {
		return img, false, err
	}
	return img, true, r.setCurrent(key)
}

func (r Request) emulate(es []emulator.Emulator) (e engine.Emulated) {
	for _, em := range es {
		e.Architectures, e.CPU = append(e.Architectures, em.Arch), r.CPU
	}
	return e
}

func (r Request) key(ctx context.Context, plan Plan, text []byte, args, bases map[string]string, es []emulator.Emulator) (Key, error) {
	in := KeyInput{
		CacheDir: r.CacheDir, ContextDir: r.Context, Dockerfile: r.Dockerfile, Plan: plan, Text: text,
		Target: r.Target, Args: args, Bases: bases, Platform: r.Platform,
	}
	for _, e := range es {
		in.Emulators, in.CPU = append(in.Emulators, e.String()), r.CPU // without emulators the processor is the machine's
	}
	return ComputeKey(ctx, in)
}

// emulators finds those that the image needs.
func (r Request) emulators(plan Plan, args map[string]string) ([]emulator.Emulator, error) {
	archs, err := plan.Architectures(r.Target, args, r.Platform, r.BaseArch)
	if err != nil {
		return nil, Permanent(fmt.Errorf("%s: %w", r.Dockerfile, err))
	}
	var all []emulator.Emulator
	for _, arch := range archs {
		e, err := r.Emulator(arch)
		if err != nil {
			return nil, Permanent(fmt.Errorf("%s: %w", r.Dockerfile, err))
		}
		all = append(all, e)
	}
	return all, nil
}

func resolveBases(ctx context.Context, b Builder, plan Plan, r Request, args map[string]string) (map[string]string, error) {
	refs, err := plan.ExternalImages(r.Target, args, r.Platform)
	if err != nil {
		return nil, Permanent(fmt.Errorf("%s: %w", r.Dockerfile, err))
	}
	bases := map[string]string{}
	for _, ref := range refs {
		if bases[ref], err = b.Resolve(ctx, ref, r.Pull); err != nil {
			return nil, err
		}
	}
	return bases, nil
}

func (r Request) reason(key Key, lookup error) string {
	if r.NoCache {
		return "--no-cache"
	}
	if lookup != engine.ErrNoImage { // it says more: a damaged record
		return lookup.Error()
	}
	why, err := Why(r.CacheDir, place(r.Name, r.Context), key)
	if err != nil {
		return err.Error()
	}
	return why.String()
}

// setCurrent remembers the key that the image's name stands for now, for -R and for the reason of the next build.
func (r Request) setCurrent(key Key) error {
	here := place(r.Name, r.Context)
	path := currentPath(r.CacheDir, here)
	if old, err := os.ReadFile(path); err == nil && string(old) == key.Sum {
		return nil
	}
	if err := SaveManifest(r.CacheDir, here, key); err != nil {
		return err
	}
	return writeAtomic(path, []byte(key.Sum))
}

// place is an image's name in one checkout: two checkouts of a project share a name, not what it stands for.
func place(name, context string) string { return name + " from " + context }

func currentPath(cacheDir, place string) string {
	return filepath.Join(cacheDir, "current", hexSum([]byte(place)))
}

// Current returns the key that an image's name stands for with this context folder, engine.ErrNoImage when it was never
// built there.
func Current(cacheDir, name, context string) (string, error) {
	b, err := os.ReadFile(currentPath(cacheDir, place(name, context)))
	if errors.Is(err, os.ErrNotExist) {
		return "", engine.ErrNoImage
	}
	if err != nil {
		return "", fmt.Errorf("look up image %s: %w", name, err)
	}
	return string(b), nil
}
