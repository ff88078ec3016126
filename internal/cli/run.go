package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"caisson/internal/ccache"
	"caisson/internal/engine"
	"caisson/internal/engine/embedded"
	"caisson/internal/image"
	"caisson/internal/image/base/index"
	"caisson/internal/project"
	"caisson/internal/run"
	"caisson/internal/run/record"
	"caisson/internal/term"
	"caisson/internal/view"
	"caisson/internal/view/ascaller"
)

// runCommand is `caisson run`: the image if needed, then the command.
func runCommand(words []string, b Build) int {
	r, err := ParseRun(words, os.LookupEnv)
	if err != nil {
		return fail(term.New(os.Stderr, modeIn(words)), err)
	}
	switch {
	case r.Help:
		return status(Usage(os.Stdout))
	case r.Version:
		return status(printVersion(b))
	}
	s := &session{term: term.New(os.Stderr, term.Mode(r.Output)), storeDir: storeDir(r.Store)}
	var p *project.Project
	user := run.Caller()
	err = ascaller.Do(user.UID, user.GID, user.Groups(), func() (err error) {
		p, err = project.Load(orElse(r.Dir, "."))
		return err
	})
	if err != nil {
		return fail(s.term, err)
	}
	if r.List {
		for _, pl := range p.Platforms {
			fmt.Println(pl.Name)
		}
		return 0
	}
	s.in = run.CatchSignals(context.Background())
	defer s.in.Stop()
	code, err := s.run(p, r)
	if err != nil {
		return fail(s.term, err)
	}
	return code
}

// modeIn finds out how to speak about a line that cannot be read: who asked for JSON gets it.
func modeIn(words []string) term.Mode {
	for i, w := range words {
		if w == "--output=json" || w == "--output" && i+1 < len(words) && words[i+1] == "json" {
			return term.JSON
		}
	}
	return term.Auto
}

// ciVariables pass into every run where they are set. Jenkins ends a job's processes by finding these in their
// environment. Source: https://www.jenkins.io/doc/book/using/aborting-a-build/
var ciVariables = []string{"BUILD_NUMBER", "BUILD_ID", "BUILD_TAG", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE"}

func (s *session) run(p *project.Project, r Run) (int, error) {
	pl, err := p.Platform(r.Platform)
	if err != nil {
		return 0, err
	}
	settings := p.Settings(pl)
	if r, err = r.withSettings(settings, p.Root, os.LookupEnv); err != nil {
		return 0, err
	}
	command := r.Command
	isDefault := len(command) == 0 && !r.Interactive && !r.BuildOnly
	if isDefault {
		if err := project.CheckFunctions(p, pl); err != nil {
			return 0, err
		}
		command = []string{"/work/" + p.Name + "/" + p.Functions, project.BuildFunction(pl.Name)}
	}
	if r.Interactive {
		if err := run.CheckTerminal(); err != nil {
			return 0, err
		}
	}
	user := run.Caller()
	secrets, err := takeSecrets(r.Secrets, user)
	if err != nil {
		return 0, err
	}
	e, err := s.openEngine()
	if err != nil {
		return 0, err
	}
	defer e.Close()
	if r.Network == string(engine.NetworkHost) && settings.Network == r.Network {
		s.term.Note("%s: the network is this machine's, as %s says", pl.Name, project.ConfigFile)
	}
	img, err := s.image(e, p, pl, r, user, secrets)
	if err != nil || r.BuildOnly {
		return 0, err
	}
	req, notes, err := newRequest(e, p, pl, r, user)
	if err != nil {
		return 0, err
	}
	for _, note := range notes {
		s.term.Note("%s: %s", pl.Name, note)
	}
	req.Image, req.Command, req.Secrets, req.CPU = img, command, secrets, settings.CPU
	out, err := run.Do(s.in, e, req, func(text string) { s.term.Note("%s: %s", pl.Name, text) })
	s.sayEnd(pl.Name, out, err, isDefault)
	s.pruneRecords(req.StateDir)
	return out.Code, nil
}

// newRequest gathers what a run needs besides its image and command, and what is to be said about it.
func newRequest(e *embedded.Engine, p *project.Project, pl project.Platform, r Run, user run.User) (run.Request, []string, error) {
	var none run.Request
	v, err := view.InPlace(view.Options{Root: p.Root, Project: p.Name, UID: user.UID, GID: user.GID})
	if err != nil {
		return none, nil, err
	}
	cache, err := ccache.Prepare(ccache.Options{Dir: r.CcacheDir, UID: user.UID, GID: user.GID, Getenv: os.Getenv, UserCacheDir: user.CacheDir()})
	if err != nil {
		return none, nil, err
	}
	var env []string
	for _, name := range ciVariables {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return run.Request{
		Project: p.Name, Root: p.Root, Platform: pl.Name, Interactive: r.Interactive,
		Env: append(env, r.Env...), User: user, Mounts: v.Mounts, BuildDir: v.Build, Cache: cache,
		ShmSize: r.ShmSize, Timeout: r.Timeout, StateDir: stateDir(e.Store()),
		Network: engine.Network(r.Network), Publish: r.Publish, SSH: r.agents(),
		Limits: engine.Limits{Memory: r.Memory, CPUs: r.CPUs, PIDs: r.PIDs},
	}, v.Notes, nil
}

// image returns the platform's image, built if need be. With -R it is the one that was built last, as it is.
func (s *session) image(e *embedded.Engine, p *project.Project, pl project.Platform, r Run, user run.User, secrets []engine.Secret) (engine.Image, error) {
	name := p.ImageName(r.Registry, pl.Name)
	cacheDir := e.Store().ImageCache()
	if r.RunOnly {
		key, err := image.Current(cacheDir, name, pl.Context)
		if err == nil {
			var img engine.Image
			if img, err = e.Image(s.in.Context, key); err == nil {
				return img, nil
			}
		}
		if errors.Is(err, engine.ErrNoImage) {
			err = fmt.Errorf("there is no image %s, and -R builds none; leave out -R, or make it with: caisson -p %s -b", name, pl.Name)
		}
		return engine.Image{}, err
	}
	bases, err := e.Bases()
	if err != nil {
		return engine.Image{}, err
	}
	start := time.Now()
	img, built, err := image.Ensure(s.in.Context, e, image.Request{
		Name: name, Dockerfile: pl.Dockerfile, Context: pl.Context, Platform: "linux/" + runtime.GOARCH,
		CallerArgs: map[string]string{"USER_ID": strconv.Itoa(user.UID), "GROUP_ID": strconv.Itoa(user.GID)},
		CacheDir:   cacheDir, Planner: e.Plan, NoCache: r.NoCache, Pull: r.Pull, Tries: r.Retries, Progress: string(s.term.Mode()),
		ReadFile: func(path string) (text []byte, err error) {
			err = ascaller.Do(user.UID, user.GID, user.Groups(), func() (err error) {
				text, err = image.ReadRegular(path)
				return err
			})
			return text, err
		},
		CPU: p.Settings(pl).CPU, Emulator: e.Emulator, Network: engine.Network(r.Network), Proxies: run.Proxies(), Secrets: secrets, SSH: r.agents(),
		BaseArch: func(ref string) string {
			b, _ := index.Lookup(bases, ref)
			return b.Arch
		},
	}, image.Notify{
		Building: func(reason string) { s.term.Note("%s: building the image: %s", pl.Name, reason) },
		Note:     func(text string) { s.term.Note("%s: %s", pl.Name, text) },
		Event:    s.buildEvent(pl.Name),
	})
	if err != nil {
		return img, err
	}
	if built {
		s.term.Note("%s: image %s built in %s", pl.Name, name, term.Duration(time.Since(start)))
	} else if r.BuildOnly {
		s.term.Note("%s: image %s is up to date", pl.Name, name)
	}
	return img, nil
}

// mebibytes is how --memory counts.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// memoryWords say what the kernel did for want of memory.
func memoryWords(out run.Outcome) string {
	words := "a process was ended for want of memory"
	if out.MemoryKills > 1 {
		words = fmt.Sprintf("%d processes were ended for want of memory", out.MemoryKills)
	}
	if out.MemoryLimit > 0 {
		words += fmt.Sprintf(" (limit %s, peak %s)", mebibytes(out.MemoryLimit), mebibytes(out.MemoryPeak))
	} else if out.MemoryPeak > 0 {
		words += fmt.Sprintf(" (peak %s; this run had no limit of its own)", mebibytes(out.MemoryPeak))
	}
	return words
}

// buildEvent passes what a build tells on to those who read JSON, and its notes to people.
func (s *session) buildEvent(platform string) func(engine.Event) {
	return func(e engine.Event) {
		if e.Kind == "note" {
			s.term.Note("%s: %s", platform, e.Text)
			return
		}
		s.term.Event(e.Kind, "platform", platform, "step", e.Step, "state", e.State, "text", e.Text)
	}
}

// pruneRecords drops old records once there are a quarter more than are kept: looking at each one takes milliseconds.
func (s *session) pruneRecords(dir string) {
	names, err := os.ReadDir(dir)
	if err != nil || len(names) <= record.KeepRecords*5/4 {
		return
	}
	if _, err := record.Prune(dir, record.KeepRecords, record.KeepAge, record.KeepBytes); err != nil {
		s.term.Warn("%v", err)
	}
}

// sayEnd says how a run ended. A command that the user gave and that went well needs no word, but for the compiler cache.
func (s *session) sayEnd(platform string, out run.Outcome, err error, isDefault bool) {
	var parts []string
	good := err == nil && out.Code == 0
	took := term.Duration(out.Duration)
	switch {
	case err != nil:
		parts = append(parts, explain(err))
	case out.How == record.Timeout:
		parts = append(parts, "ended by its time limit after "+took)
	case out.How == record.Signal:
		parts = append(parts, fmt.Sprintf("ended by signal %d after %s", out.Code-128, took))
	case out.Code != 0:
		parts = append(parts, fmt.Sprintf("failed with status %d after %s", out.Code, took))
	case isDefault:
		parts = append(parts, "done in "+took)
	}
	if out.MemoryKills > 0 {
		parts = append(parts, memoryWords(out))
	}
	if out.Cache.Used() {
		parts = append(parts, out.Cache.String())
	}
	if !good && out.ID != "" {
		parts = append(parts, "log: caisson logs "+out.ID)
	}
	if len(parts) > 0 {
		s.term.Result(good, platform+": "+strings.Join(parts, "; "))
	}
	s.term.Event("run.end", "platform", platform, "run", out.ID, "code", out.Code, "how", string(out.How),
		"seconds", out.Duration.Seconds())
}
