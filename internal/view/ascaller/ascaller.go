// Package ascaller does things in folders of the person who calls caisson with that person's rights, also when caisson
// itself runs as root by sudo. What it makes belongs to the caller, and a symbolic link that the caller could not
// follow is not followed for them: a path in a tree or in /tmp is the caller's word, not root's.
package ascaller

import "os"

// Do runs f as uid:gid with the further groups of groups, as far as files are concerned. It changes something only
// when this process is root and uid is somebody else; then f runs on one thread that has that identity, so f must not
// leave file work to other goroutines. The error is f's own, or says that the identity could not be taken on.
func Do(uid, gid int, groups []int, f func() error) error {
	if os.Geteuid() != 0 || uid == 0 {
		return f()
	}
	return do(uid, gid, groups, f)
}
