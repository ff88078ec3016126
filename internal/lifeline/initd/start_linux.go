package initd

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"caisson/internal/lifeline/wire"
)

// defaultPath is what Docker gives a container whose image sets no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// failure says why the command was not started.
type failure struct {
	notFound bool // nothing has that name
	reason   string
}

// start makes the container fit for the command and starts it. stdio are its three descriptors, or none when it gets a
// terminal; they are closed here.
func start(req *wire.Request, stdio []int) (command, *failure) {
	none := command{master: -1}
	if err := req.Check(); err != nil {
		return none, &failure{reason: err.Error()}
	}
	home := settleUser("/", req)
	attr := &syscall.ProcAttr{
		Env: completeEnv(req.Env, home),
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: credential(req)},
	}
	if f := enter(req.Dir, attr); f != nil {
		return none, f
	}
	master, ours := -1, stdio
	if req.TTY {
		m, slave, err := openTerminal(req)
		if err != nil {
			return none, &failure{reason: "open a terminal in the container: " + err.Error()}
		}
		master, ours = m, []int{slave}
		stdio = []int{slave, slave, slave}
		attr.Sys.Setctty = true // Ctty is 0, the command's standard input
	} else {
		ownPipes(stdio, req.UID)
	}
	for _, fd := range stdio {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	pid, f := launch(req.Args, attr)
	for _, fd := range ours {
		syscall.Close(fd)
	}
	if f != nil {
		return none, f
	}
	return command{pid: pid, master: master}, nil
}

func credential(req *wire.Request) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(req.UID), Gid: uint32(req.GID)}
	for _, g := range req.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// completeEnv adds PATH and HOME where they are missing, as Docker does; an empty HOME counts as missing.
func completeEnv(env []string, home string) []string {
	full := make([]string, 0, len(env)+2)
	for _, v := range env {
		if v != "HOME=" {
			full = append(full, v)
		}
	}
	if _, ok := getenv(full, "PATH"); !ok {
		full = append(full, "PATH="+defaultPath)
	}
	if _, ok := getenv(full, "HOME"); !ok {
		full = append(full, "HOME="+home)
	}
	return full
}

// getenv returns the first value of a name, which is the one that programs see.
func getenv(env []string, name string) (string, bool) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// enter makes the working directory where it is missing and goes there, so that the command inherits it. Like runc it
// goes there as root, because images have working directories that their user cannot enter; where root may not, as on
// a network file system, the command's process goes there as its user.
func enter(dir string, attr *syscall.ProcAttr) *failure {
	if dir == "" {
		dir = "/"
	}
	if err := makeDir(dir, attr.Sys.Credential); err != nil && !os.IsPermission(err) {
		return &failure{reason: "make the working directory: " + err.Error()}
	}
	err := os.Chdir(dir)
	if os.IsPermission(err) {
		attr.Dir = dir
		return nil
	}
	if err != nil {
		return &failure{reason: "enter the working directory: " + err.Error()}
	}
	return nil
}

// makeDir makes a folder that is missing: as the user where they may, so that one in the source tree is theirs, else as
// root.
func makeDir(dir string, user *syscall.Credential) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	runtime.LockOSThread() // the file system's user is the thread's
	defer runtime.UnlockOSThread()
	unix.Setfsgid(int(user.Gid))
	unix.Setfsuid(int(user.Uid))
	err := os.MkdirAll(dir, 0o755)
	unix.Setfsuid(0)
	unix.Setfsgid(0)
	if err == nil {
		return nil
	}
	return os.MkdirAll(dir, 0o755)
}

// ownPipes gives anonymous pipes to the user, as runc does: otherwise the command could not open /dev/stdout. Files and
// terminals keep their owner.
func ownPipes(fds []int, uid int) {
	for _, fd := range fds {
		var fs syscall.Statfs_t
		if syscall.Fstatfs(fd, &fs) == nil && fs.Type == unix.PIPEFS_MAGIC {
			syscall.Fchown(fd, uid, -1) // where it fails only /dev/stdout is lost
		}
	}
}

// launch finds the program by the rules of execvp(3) and starts it, with one difference, which is Docker's: a file
// that the kernel cannot execute is not given to a shell.
func launch(args []string, attr *syscall.ProcAttr) (int, *failure) {
	name := args[0]
	if name == "" || strings.Contains(name, "/") {
		pid, err := syscall.ForkExec(name, args, attr)
		if err != nil {
			return 0, explain(name, err, attr)
		}
		return pid, nil
	}
	path, _ := getenv(attr.Env, "PATH")
	var denied *failure
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		// A look before the fork, which costs a hundred times more.
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		pid, err := syscall.ForkExec(file, args, attr)
		switch err {
		case nil:
			return pid, nil
		case syscall.EACCES, syscall.ENOENT, syscall.ENOTDIR:
			if denied == nil {
				denied = explain(file, err, attr)
			}
		default:
			return 0, explain(file, err, attr)
		}
	}
	if denied != nil {
		return 0, denied
	}
	return 0, &failure{notFound: true, reason: name + ": not found in PATH (" + path + ")"}
}

// explain says why file was not executed. ForkExec reports one number for all that the new process does on the way.
func explain(file string, err error, attr *syscall.ProcAttr) *failure {
	info, statErr := os.Stat(file)
	switch {
	case err == syscall.ENOENT && attr.Dir == "" && statErr != nil, err == syscall.ENOTDIR:
		return &failure{notFound: true, reason: file + ": no such file"}
	case err == syscall.ENOENT:
		return &failure{reason: file + ": " + missingHelper(file)}
	case err == syscall.ENOEXEC:
		return &failure{reason: file + ": exec format error: " + foreignFormat(file)}
	case err == syscall.EACCES && statErr == nil && info.IsDir():
		return &failure{reason: file + ": is a directory"}
	case err == syscall.EACCES && statErr == nil && info.Mode()&0o111 == 0:
		return &failure{reason: file + ": permission denied: it is not executable (chmod +x)"}
	case err == syscall.EACCES && attr.Dir != "":
		return &failure{reason: file + ": permission denied: it or the working directory " + attr.Dir}
	}
	return &failure{reason: file + ": " + err.Error() + " (as user " + strconv.Itoa(int(attr.Sys.Credential.Uid)) + ")"}
}
