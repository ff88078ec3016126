package run

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// User is for whom a run works: what it makes belongs to them.
type User struct {
	UID, GID int
	Name     string
}

// Caller returns the calling user, the one who called sudo where caisson runs under it.
func Caller() User {
	u := User{UID: os.Getuid(), GID: os.Getgid()}
	if u.UID == 0 {
		uid, err1 := strconv.Atoi(os.Getenv("SUDO_UID"))
		gid, err2 := strconv.Atoi(os.Getenv("SUDO_GID"))
		if err1 == nil && err2 == nil && uid > 0 && gid >= 0 {
			return User{UID: uid, GID: gid, Name: os.Getenv("SUDO_USER")}
		}
		u.Name = "root"
		return u
	}
	if known, err := user.LookupId(strconv.Itoa(u.UID)); err == nil {
		u.Name = known.Username
	}
	return u
}

// Groups are the further groups of somebody who called sudo, as far as this machine knows them.
func (u User) Groups() (gids []int) {
	if u.UID == os.Getuid() {
		return nil // this process has them
	}
	known, err := user.LookupId(strconv.Itoa(u.UID))
	if err != nil {
		return nil
	}
	ids, err := known.GroupIds()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			gids = append(gids, n)
		}
	}
	return gids
}

// CacheDir is the cache folder of somebody who called sudo: the environment may name root's. For everybody else, and for
// a user whom nobody knows, it is "", and the environment decides.
func (u User) CacheDir() string {
	if u.UID == os.Getuid() {
		return ""
	}
	home := os.Getenv("SUDO_HOME") // sudo 1.9.15 and newer
	if known, err := user.LookupId(strconv.Itoa(u.UID)); err == nil {
		home = known.HomeDir
	} else if home == "" {
		home = directoryHome(u.UID)
	}
	if !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, ".cache")
}

// directoryHome asks the system's name services (LDAP and the like), which this static program cannot ask itself.
func directoryHome(uid int) string {
	out, err := exec.Command("getent", "passwd", strconv.Itoa(uid)).Output()
	fields := strings.Split(strings.TrimSpace(string(out)), ":")
	if err != nil || len(fields) < 7 { // passwd(5)
		return ""
	}
	return fields[5]
}
