package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Users says whose processes and files a sandbox can hold: how the ids inside a user namespace of its own relate to those
// outside. No Users, nil, is a sandbox without a user namespace, which needs root.
type Users struct {
	uids, gids []idRange
	own        bool // the caller may write the maps itself
}

// idRange maps Count ids from Inside on to those from Outside on. Format: user_namespaces(7), uid_map.
type idRange struct{ inside, outside, count int }

// Identity is a user namespace in which every id means itself. Only root can make one, of the machine or of a user
// namespace.
func Identity() (*Users, error) {
	uids, err := identityMap("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	gids, err := identityMap("/proc/self/gid_map")
	if err != nil {
		return nil, err
	}
	return &Users{uids: uids, gids: gids, own: true}, nil
}

// identityMap maps every id that this process's user namespace has to itself.
func identityMap(file string) (ranges []idRange, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ids of this user namespace: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		ranges = append(ranges, idRange{inside, inside, count})
	}
	return ranges, nil
}

// SubordinateError: this user has no subordinate ids, or too few, or they cannot be used.
type SubordinateError struct {
	Reason string
	Next   string // what mends it
}

func (e *SubordinateError) Error() string { return e.Reason + "; " + e.Next }

// neededIDs is the least number of subordinate ids: those that distributions give, and images use.
const neededIDs = 65536

// Subordinate is the user namespace of an ordinary user. The caller keeps their own number; all other ids, root's first,
// are the subordinate ones that /etc/subuid and /etc/subgid give (subuid(5)).
func Subordinate() (*Users, error) {
	me, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return nil, &SubordinateError{
			Reason: fmt.Sprintf("uid %d has no name, so it can have no subordinate ids (%v)", os.Getuid(), err),
			Next:   "make the user known in /etc/passwd, or run it by sudo",
		}
	}
	uids, err := subordinate("/etc/subuid", me, os.Getuid())
	if err != nil {
		return nil, err
	}
	gids, err := subordinate("/etc/subgid", me, os.Getgid())
	if err != nil {
		return nil, err
	}
	return &Users{uids: uids, gids: gids}, nil
}

func subordinate(file string, me *user.User, own int) ([]idRange, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read subordinate ids: %w", err)
	}
	first, count := parseSubordinate(string(b), me)
	if count < neededIDs {
		return nil, &SubordinateError{
			Reason: fmt.Sprintf("user %s has %d subordinate ids in %s, and an image needs %d", me.Username, count, file, neededIDs),
			Next:   fmt.Sprintf("sudo usermod --add-subuids 524288-589823 --add-subgids 524288-589823 %s", me.Username),
		}
	}
	return aroundOwn(own, first, count), nil
}

// parseSubordinate returns the largest range of a user, who is named by name or number.
func parseSubordinate(text string, me *user.User) (first, count int) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != me.Username && f[0] != me.Uid {
			continue
		}
		a, aerr := strconv.Atoi(f[1])
		n, nerr := strconv.Atoi(f[2])
		if aerr == nil && nerr == nil && n > count {
			first, count = a, n
		}
	}
	return first, count
}

// aroundOwn maps 0 … to the subordinate ids and leaves the caller's own number alone.
func aroundOwn(own, first, count int) []idRange {
	if own >= count {
		return []idRange{{0, first, count}, {own, own, 1}}
	}
	return []idRange{{0, first, own}, {own, own, 1}, {own + 1, first + own, count - own}}
}

// attributes adds the user namespace to a clone.
func (u *Users) attributes(sys *syscall.SysProcAttr) {
	sys.Cloneflags |= unix.CLONE_NEWUSER
	if u.own {
		sys.UidMappings, sys.GidMappings, sys.GidMappingsEnableSetgroups = goMap(u.uids), goMap(u.gids), true
		return
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ { // it is executed before the maps exist, which drops all others
		sys.AmbientCaps = append(sys.AmbientCaps, c)
	}
}

func goMap(ranges []idRange) (all []syscall.SysProcIDMap) {
	for _, r := range ranges {
		all = append(all, syscall.SysProcIDMap{ContainerID: r.inside, HostID: r.outside, Size: r.count})
	}
	return all
}

// apply writes the maps of a process that was just cloned into a new user namespace.
func (u *Users) apply(pid int) error {
	if u.own {
		return nil // Go did it, on the way
	}
	gid := make(chan error, 1) // one value
	go func() { gid <- writeMap("newgidmap", pid, u.gids) }()
	if err := writeMap("newuidmap", pid, u.uids); err != nil {
		<-gid
		return err
	}
	return <-gid
}

// writeMap calls newuidmap(1) or newgidmap(1), which know what this user may map.
func writeMap(tool string, pid int, ranges []idRange) error {
	args := []string{strconv.Itoa(pid)}
	for _, r := range ranges {
		if r.count > 0 {
			args = append(args, strconv.Itoa(r.inside), strconv.Itoa(r.outside), strconv.Itoa(r.count))
		}
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return &SubordinateError{Reason: tool + " is not installed, and only it may map subordinate ids", Next: "sudo apt-get install uidmap"}
	}
	if err != nil {
		return fmt.Errorf("map ids: %s: %s", tool, strings.TrimSpace(string(out)))
	}
	return nil
}

// becomeRoot makes the supervisor root of its own user namespace. Until then it has root's rights by ambient
// capabilities, since it was executed before the maps were there.
func becomeRoot() error {
	if err := syscall.Setgroups(nil); err != nil { // package syscall's are for all threads
		return fmt.Errorf("drop groups in the user namespace: %w", err)
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("become group 0 of the user namespace: %w", err)
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("become root of the user namespace: %w", err)
	}
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}
