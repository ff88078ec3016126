package base

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// tailLines is how many of the last lines of mmdebstrap an error shows.
const tailLines = 15

// suiteName keeps what is no suite from becoming an option of a program.
var suiteName = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)

// bootstrap makes a root file system with the host's mmdebstrap.
type bootstrap struct {
	distro  distro
	suite   string
	arch    debianArch
	program string
	root    string // where the host's apt sources lie
	note    func(string)
}

// debian reads SUITE[/ARCH] and looks for all that it takes, so that nothing is missed after half a minute only.
func (a *Adder) debian(d distro, text string) (*bootstrap, error) {
	b := &bootstrap{distro: d, root: a.root, note: a.note}
	if b.root == "" {
		b.root = "/"
	}
	suite, archName, found := strings.Cut(text, "/")
	if !suiteName.MatchString(suite) || found && archName == "" {
		return nil, fmt.Errorf("it is SUITE or SUITE/ARCH that must follow the colon, as in debian:bookworm or debian:bookworm/arm64")
	}
	b.suite = suite
	var err error
	if b.arch, err = findArch(archName); err != nil {
		return nil, err
	}
	if b.program, err = exec.LookPath("mmdebstrap"); err != nil {
		return nil, errors.New("it is made with mmdebstrap, which is not here: apt-get install mmdebstrap")
	}
	if !exists(b.root, d.keyring) && !exists(b.root, strings.TrimSuffix(d.keyring, "gpg")+"pgp") {
		return nil, fmt.Errorf("there is no %s to verify the packages with: apt-get install %s", d.keyring, d.keyPackage)
	}
	return b, nil
}

// arguments of mmdebstrap. The host's own resolv.conf and hostname do not belong into an image. With bare, the suites of
// updates beside the suite itself are left out.
func (b *bootstrap) arguments(ctx context.Context, bare bool) []string {
	lines, https := hostMirrors(b.root, b.distro, b.suite)
	if bare {
		lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, " "+b.suite+" ") })
	}
	if b.distro.id == "ubuntu" && platformArch(b.arch.platform) != runtime.GOARCH {
		lines, https = nil, false // Ubuntu has other mirrors for some architectures; mmdebstrap knows them
	}
	args := []string{
		"--variant=minbase", "--format=tar", "--architectures=" + b.arch.debian, "--skip=output/dev",
		`--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"`,
	}
	if https {
		args = append(args, "--include=ca-certificates")
	}
	args = append(args, aptOptions(ctx)...)
	return append(append(args, b.suite, "-"), lines...)
}

// aptOptions hands on what the host's apt says about old mirrors, to the image too: its apt-get update meets the same
// mirror.
func aptOptions(ctx context.Context) []string {
	var args []string
	for _, option := range []string{"Acquire::Check-Valid-Until", "Acquire::Check-Date"} {
		if aptConfig(ctx, option) == "false" {
			args = append(args, fmt.Sprintf("--aptopt=%s \"false\"", option))
		}
	}
	return args
}

// aptConfig is a setting of the host's apt, "" without one.
func aptConfig(ctx context.Context, option string) string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump", "--format", "%v%n", option).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// sideSuite finds an index of a suite of updates that could not be fetched, in the words of apt-get(8).
var sideSuite = regexp.MustCompile(`E: Failed to fetch \S+/dists/([a-z0-9.]+-[a-z0-9-]+)/`)

// fill runs mmdebstrap and packs what it prints. A mirror that has the suite but is at odds with itself about its updates,
// as mirrors are while they are filled, is no reason to have no base at all.
func (b *bootstrap) fill(ctx context.Context, s *stage) (v1.Descriptor, error) {
	d, err := b.run(ctx, s, false)
	if err == nil || ctx.Err() != nil {
		return d, err
	}
	side := sideSuite.FindStringSubmatch(err.Error())
	if side == nil {
		return d, err
	}
	b.note(fmt.Sprintf("warning: the mirror could not give %s, so the base is made without updates; add it again later", side[1]))
	return b.run(ctx, s, true)
}

func (b *bootstrap) run(ctx context.Context, s *stage, bare bool) (v1.Descriptor, error) {
	// The kernel kills the program when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, b.program, b.arguments(ctx, bare)...)
	var err error
	if cmd.Env, err = b.environment(ctx, s); err != nil {
		return v1.Descriptor{}, err
	}
	cmd.WaitDelay = time.Second // for pipes that a stray grandchild holds
	out, err := cmd.StdoutPipe()
	if err != nil {
		return v1.Descriptor{}, err
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		return v1.Descriptor{}, err
	}
	b.note(fmt.Sprintf("making %s:%s for %s with mmdebstrap", b.distro.id, b.suite, platformArch(b.arch.platform)))
	if err := startConfined(cmd); err != nil {
		return v1.Descriptor{}, fmt.Errorf("start mmdebstrap: %w", err)
	}
	var g errgroup.Group
	var tail []string
	g.Go(func() error { tail = b.follow(messages); return nil })
	d, err := s.fillFromRoot(io.MultiReader(emptyDev(), out), b.arch.platform)
	if err != nil {
		_ = cmd.Cancel() // it may still have much to say that nobody reads
	}
	_ = g.Wait()
	if werr := cmd.Wait(); werr != nil {
		return d, b.failure(werr, tail)
	}
	return d, err
}

// emptyDev is the beginning of a tar with an empty /dev: mmdebstrap leaves it out together with its device nodes.
func emptyDev() io.Reader {
	var buf bytes.Buffer
	// A buffer takes everything, and the header is a valid one: there is no error to have.
	_ = tar.NewWriter(&buf).WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "dev/", Mode: 0o755})
	return &buf
}

// environment gives mmdebstrap a folder for the growing root file system that goes away with the stage. An ordinary
// user's cannot lie there: its files belong to users whom only mmdebstrap itself can become.
func (b *bootstrap) environment(ctx context.Context, s *stage) ([]string, error) {
	env := append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	for _, scheme := range []string{"http", "https"} {
		proxy := aptConfig(ctx, "Acquire::"+scheme+"::Proxy")
		if strings.Contains(proxy, "://") && os.Getenv(scheme+"_proxy") == "" {
			env = append(env, scheme+"_proxy="+proxy)
		}
	}
	if os.Geteuid() != 0 {
		return env, nil
	}
	dir := filepath.Join(string(s.layout), "root")
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) { // of the first try
		return nil, err
	}
	return append(env, "TMPDIR="+dir), os.Chmod(string(s.layout), 0o755) // apt's own user looks into it
}

// follow tells each stage as one line and keeps the last lines for an error.
func (b *bootstrap) follow(r io.Reader) (tail []string) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	lines.Split(scanProgress)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		if tail = append(tail, line); len(tail) > tailLines {
			tail = tail[1:]
		}
		if text, found := strings.CutPrefix(line, "I: "); found && strings.HasSuffix(text, "...") {
			if !strings.HasPrefix(text, "removing tempdir") {
				b.note("mmdebstrap: " + strings.TrimSuffix(text, "..."))
			}
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line beyond the buffer ends the scanner, not the program
	return tail
}

// scanProgress is bufio.ScanLines for text in which a carriage return draws a line anew.
func scanProgress(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' || c == '\r' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (b *bootstrap) failure(err error, tail []string) error {
	text := strings.Join(tail, "\n  ")
	hint := ""
	switch {
	case strings.Contains(text, "can neither be executed natively nor via qemu"):
		hint = fmt.Sprintf("this machine cannot run programs for %s: apt-get install arch-test binfmt-support qemu-user-static, "+
			"or make the tar on another machine and add that", b.arch.debian)
	case strings.Contains(text, "Could not resolve") || strings.Contains(text, "Could not connect"):
		hint = "its mirror cannot be reached from here"
	case strings.Contains(text, "does not have a Release file"):
		hint = fmt.Sprintf("its mirror has no %s: is that a suite of %s?", b.suite, b.distro.id)
	}
	if hint != "" {
		return fmt.Errorf("%s\n  mmdebstrap failed (%w); its last lines:\n  %s", hint, err, text)
	}
	return fmt.Errorf("mmdebstrap failed (%w); its last lines:\n  %s", err, text)
}
