package run

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
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

// CacheDir is the cache folder of somebody who called sudo: the environment may name root's. For everybody else it is "",
// and the environment decides.
func (u User) CacheDir() string {
	if u.UID == os.Getuid() {
		return ""
	}
	known, err := user.LookupId(strconv.Itoa(u.UID))
	if err != nil || !filepath.IsAbs(known.HomeDir) {
		return ""
	}
	return filepath.Join(known.HomeDir, ".cache")
}
