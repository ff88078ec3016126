package machine

import (
	"fmt"
	"strings"
	"testing"
)

// User is an ordinary user of a machine, with ranges in /etc/subuid and /etc/subgid, a home and a delegated cgroup.
type User struct {
	Name     string
	UID, GID uint32
	Home     string
	Cgroup   string // the folder of a cgroup that is the user's, with the controllers cpu, memory and pids
	runtime  string // XDG_RUNTIME_DIR
}

// addUser makes the user $1 and the cgroup $2. What a delegated cgroup's owner may write is the kernel's own list
// (cgroups(7), "Cgroup delegation").
const addUser = `
useradd --create-home --shell /bin/sh "$1"
grep -q "^$1:" /etc/subuid && grep -q "^$1:" /etc/subgid
uid=$(id -u "$1") gid=$(id -g "$1")
install -d -m 0700 -o "$uid" -g "$gid" "/run/user/$uid"
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir "$2"
chown "$uid:$gid" "$2"
for f in $(cat /sys/kernel/cgroup/delegate); do
	if [ -e "$2/$f" ]; then chown "$uid:$gid" "$2/$f"; fi
done
echo "$uid $gid"`

// AddUser makes a user and the cgroup /sys/fs/cgroup/user.NAME.
func (m *Machine) AddUser(t testing.TB, name string) User {
	t.Helper()
	u := User{Name: name, Home: "/home/" + name, Cgroup: "/sys/fs/cgroup/user." + name}
	out := m.Must(t, Command{Args: []string{"sh", "-euc", addUser, "sh", name, u.Cgroup}}).Stdout
	if _, err := fmt.Sscan(strings.TrimSpace(out), &u.UID, &u.GID); err != nil {
		t.Fatalf("the ids of %s: %v: %q", name, err, out)
	}
	u.runtime = fmt.Sprintf("/run/user/%d", u.UID)
	return u
}

// Command is c as the user's: with the user's ids and environment, in the user's home and cgroup where c names no others.
func (u User) Command(c Command) Command {
	c.UID, c.GID = u.UID, u.GID
	c.Env = append([]string{"HOME=" + u.Home, "USER=" + u.Name, "XDG_RUNTIME_DIR=" + u.runtime}, c.Env...)
	if c.Dir == "" {
		c.Dir = u.Home
	}
	if c.Cgroup == "" {
		c.Cgroup = u.Cgroup
	}
	return c
}
