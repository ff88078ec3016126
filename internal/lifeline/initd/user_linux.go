package initd

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"caisson/internal/lifeline/wire"
)

const (
	defaultName = "caisson"
	maxName     = 32 // bytes of a login name (useradd(8))
)

// settleUser makes the user known in the account files below root, if that is wanted, and returns the home folder. It
// has no error: a container whose files cannot be written runs all the same, with /tmp or / for a home.
func settleUser(root string, req *wire.Request) string {
	passwd := readAccounts(root + "/etc/passwd")
	groups := readAccounts(root + "/etc/group")
	uid, gid := strconv.Itoa(req.UID), strconv.Itoa(req.GID)
	name := userName(req, passwd)
	if req.Home && groups.find(2, gid) == nil {
		group := unused(name, func(n string) bool { return groups.find(0, n) != nil })
		groups.add(0o644, group+":x:"+gid+":")
	}
	if entry := passwd.find(2, uid); entry != nil {
		if len(entry) > 5 && entry[5] != "" {
			return entry[5]
		}
		return "/" // as under Docker
	}
	if !req.Home {
		return "/"
	}
	home := makeHome(root, name, req)
	if passwd.add(0o644, name+":x:"+uid+":"+gid+"::"+home+":"+shell(root)) == nil {
		addShadow(root, name)
	}
	return home
}

// userName returns a valid name that no other user has. The name "root" is for uid 0 only, whatever was asked for.
func userName(req *wire.Request, passwd *accounts) string {
	name := validName(req.UserName)
	if req.UID == 0 {
		name = "root"
	}
	return unused(name, func(n string) bool {
		return passwd.find(0, n) != nil || n == "root" && req.UID != 0
	})
}

// validName replaces what useradd(8) would not take, or what would break the account files.
func validName(name string) string {
	if name == "" {
		return defaultName
	}
	b := []byte(name)
	for i, c := range b {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		later := c >= '0' && c <= '9' || c == '-' || c == '.'
		if !letter && (i == 0 || !later) {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), maxName)])
}

// unused returns the name, with a number behind it when it is taken.
func unused(name string, taken func(string) bool) string {
	candidate := name
	for n := 2; taken(candidate); n++ {
		suffix := strconv.Itoa(n)
		candidate = name[:min(len(name), maxName-len(suffix))] + suffix
	}
	return candidate
}

// makeHome returns a folder that the user can write to: one below /home, or /root for root, else /tmp, else /.
func makeHome(root, name string, req *wire.Request) string {
	base := "/home/" + name
	if req.UID == 0 {
		base = "/root"
	}
	for _, home := range []string{base, base + ".caisson"} {
		if ownFolder(root, home, req) {
			return home
		}
	}
	if info, err := os.Stat(root + "/tmp"); err == nil && info.IsDir() && info.Mode()&0o002 != 0 {
		return "/tmp"
	}
	return "/"
}

// ownFolder makes the folder, mode 0755 and the user's, or finds it so. A folder of root's in the container's own file
// system becomes the user's, but not what lies in it: it is there because something is mounted below it, or because
// the image copied files to it. A folder of root's that is itself a mount stays root's.
func ownFolder(root, home string, req *wire.Request) bool {
	path := root + home
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false
	}
	made := os.Mkdir(path, 0o755)
	if made != nil && !os.IsExist(made) {
		return false
	}
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	parent, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	its, above := info.Sys().(*syscall.Stat_t), parent.Sys().(*syscall.Stat_t)
	if int(its.Uid) == req.UID && made != nil {
		return true
	}
	if made != nil && (its.Uid != 0 || its.Dev != above.Dev) {
		return false
	}
	return os.Lchown(path, req.UID, req.GID) == nil
}

func shell(root string) string {
	if _, err := os.Stat(root + "/bin/bash"); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}

// addShadow adds the line without which PAM's account check, and with it sudo, refuses a user: no password, changed
// last on day 19000 since 1970, never expiring (shadow(5)). An image without a shadow file needs none.
func addShadow(root, name string) {
	shadow := readAccounts(root + "/etc/shadow")
	if shadow.exists && shadow.find(0, name) == nil {
		shadow.add(0o640, name+":*:19000:0:99999:7:::") // a failure costs only sudo
	}
}
