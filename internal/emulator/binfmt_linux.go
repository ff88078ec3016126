package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// initialUserNamespace is the inode of the machine's first user namespace (linux/nsfs.h).
const initialUserNamespace = "user:[4026531837]"

// Register mounts the binfmt_misc table of the caller's user namespace at dir, a folder that exists, in the caller's
// mount namespace, and registers the emulators in it. The caller has made both namespaces. The table lasts as long as
// something is mounted of it, so dir stays mounted for as long as the emulators are needed.
//
// In the machine's first user namespace it refuses: that table is the host's. On a kernel without private tables the
// error wraps ErrKernel.
func Register(dir string, es []Emulator) error {
	switch ns, err := os.Readlink("/proc/self/ns/user"); {
	case err != nil:
		return fmt.Errorf("register emulators: find out the user namespace: %w", err)
	case ns == initialUserNamespace:
		return errors.New("register emulators: this process is in the host's user namespace; enter a new one first")
	}
	if err := mount(dir); err != nil {
		return err
	}
	for _, e := range es {
		if err := register(dir, e); err != nil {
			return err
		}
	}
	return nil
}

func mount(dir string) error {
	err := unix.Mount("binfmt_misc", dir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EPERM) && !kernelHasPrivateTables():
		return fmt.Errorf("mount binfmt_misc: %w (%w)", err, ErrKernel)
	}
	return fmt.Errorf("mount binfmt_misc at %s: %w", dir, err)
}

// kernelHasPrivateTables goes by the kernel's version; one that it cannot read is new.
func kernelHasPrivateTables() bool {
	var name unix.Utsname
	var major, minor int
	if unix.Uname(&name) != nil {
		return true
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return true
	}
	return major > 6 || major == 6 && minor >= 7
}

// register writes one line to the table (Documentation/admin-guide/binfmt-misc.rst).
func register(dir string, e Emulator) error {
	if e.Arch == runtime.GOARCH {
		return fmt.Errorf("register the emulator of %s: it is itself such a program, and would start itself for ever", e.Arch)
	}
	f, err := formatOf(e.Arch)
	if err != nil {
		return fmt.Errorf("register the emulator %s: %w", e.Path, err)
	}
	magic, mask := f.rule()
	// F opens the emulator now, so the container need not have it. O hands it the program as an open file, C gives it
	// the program's rights: sudo works. P hands it argv[0].
	flags := "OCF"
	if e.keepsArgv0() {
		flags += "P"
	}
	line := fmt.Sprintf(":caisson-%s:M::%s:%s:%s:%s", e.Arch, escape(magic), escape(mask), e.Path, flags)
	if err := write(filepath.Join(dir, "register"), line); err != nil {
		return fmt.Errorf("register the emulator %s of %s: %w", e.Path, e.Arch, err)
	}
	return nil
}

// write writes in one call: the kernel reads each as one registration.
func write(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

func escape(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		fmt.Fprintf(&out, `\x%02x`, c)
	}
	return out.String()
}
