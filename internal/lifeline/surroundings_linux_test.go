package lifeline_test

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"caisson/internal/lifeline"
)

// asUser is a command of an ordinary user.
func asUser(script string) lifeline.Request {
	req := shell(script)
	req.UID, req.GID, req.Groups = 4321, 5432, []int{27, 6543}
	req.UserName, req.Home = "ada", true
	return req
}

func TestSurroundings(t *testing.T) {
	const knownUser = "echo 'grace:x:4321:100::/srv/grace:/bin/sh' >> /etc/passwd"
	for _, tt := range []struct {
		name, setup string
		req         lifeline.Request
		want        string
	}{
		{"user and groups are as asked", "", asUser("id -u; id -g; id -G"), "4321\n5432\n5432 27 6543"},
		{"an unknown user gets a name, a group and a home", "", asUser("id -un; id -gn; echo $HOME; cd; : > x && stat -c '%U %a' . x"), "ada\nada\n/home/ada\nada 755\nada 644"},
		{"a known user keeps name and home", knownUser, asUser("id -un; echo $HOME; [ -e /home/ada ] || echo no other"), "grace\n/srv/grace\nno other"},
		{"HOME of the environment wins", "", withEnv(asUser("echo $HOME"), "HOME=/opt"), "/opt"},
		{"an empty HOME counts as none", "", withEnv(asUser("echo $HOME"), "HOME="), "/home/ada"},
		{"without the wish for a home nothing is added", "", withoutHome(asUser("echo $HOME; id -un 2>/dev/null || echo nameless")), "/\n4321\nnameless"},
		{"where nothing can be written the home is /tmp", "mount --bind /etc /etc; mount -o remount,bind,ro /etc; mkdir -p /home; mount -t tmpfs -o ro none /home; chmod 1777 /tmp", asUser("echo $HOME"), "/tmp"},
		{"root is root", "", shell("id -u; id -un; echo $HOME"), "0\nroot\n/root"},
		{"root keeps its capabilities, a user has none", "", asUser("grep -c 'CapEff:.*[1-9a-f]' /proc/self/status; grep -c 'CapBnd:.*[1-9a-f]' /proc/self/status"), "0\n1"},
		{"signals have their defaults", "", shell("exec sed -n '/Sig[ICB]/p' /proc/self/status"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000"},
		{"the limit of open files is the container's", "", shell("ulimit -n"), "333"},
		{"the mask is Docker's", "", shell("umask"), "0022"},
		{"no descriptor but three is passed on", "", shell("exec ls /proc/self/fd"), "0\n1\n2\n3"}, // 3 is the folder itself
		{"the command leads its own session and group", "", shell("read -r _ _ _ _ g s _ < /proc/$$/stat; [ $g = $$ ] && [ $s = $$ ] && echo leader"), "leader"},
		{"a user can open its own output", "", asUser("echo hello > /dev/stdout"), "hello"},
		{"a missing working directory is made", "", inDir(asUser("pwd; stat -c '%U %a' /work/deep /work"), "/work/deep/er"), "/work/deep/er\nroot 755\nroot 755"},
		{"a working directory that the user cannot enter is no obstacle", "mkdir -p /secret; chmod 700 /secret", inDir(asUser("echo here"), "/secret"), "here"},
		{"the environment is as asked", "", withEnv(shell("env | grep -v ^_= | sort"), "PATH=/bin:/usr/bin", "A=1", "B=x=y z"), "A=1\nB=x=y z\nHOME=/root\nPATH=/bin:/usr/bin\nPWD=/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := run(t, tt.setup, tt.req); got != tt.want {
				t.Errorf("printed\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func withEnv(req lifeline.Request, env ...string) lifeline.Request {
	req.Env = append([]string{}, env...)
	return req
}

func withoutHome(req lifeline.Request) lifeline.Request {
	req.Home = false
	return req
}

func inDir(req lifeline.Request, dir string) lifeline.Request {
	req.Dir = dir
	return req
}

func TestLargeEnvironment(t *testing.T) {
	req := shell("echo ${#BIG} $#")
	big := strings.Repeat("x", 100_000)
	req.Env = []string{"PATH=/bin:/usr/bin", "BIG=" + big}
	for range 10 { // more than the socket holds at once
		req.Args = append(req.Args, big)
	}
	if out, _ := run(t, "", req); out != "100000 9" {
		t.Errorf("printed %q", out)
	}
}

func TestHundredMegabytesPassUnchanged(t *testing.T) {
	const size = 100 << 20
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sent := sha256.New()
	allSent := make(chan struct{}) // closed by the sender
	go func() {
		defer close(allSent)
		defer w.Close()
		source := rand.NewChaCha8([32]byte{1})
		io.CopyN(io.MultiWriter(w, sent), source, size)
	}()
	c := launch(t, "", lifeline.Request{Args: []string{"cat"}}, r)
	c.started(t)
	if got := c.exit(t); got.Code != 0 {
		t.Fatalf("status %+v", got)
	}
	<-allSent
	out := c.out.String()
	if len(out) != size || sha256.Sum256([]byte(out)) != [32]byte(sent.Sum(nil)) {
		t.Errorf("%d bytes arrived of %d, or others", len(out), size)
	}
}

func TestStandardErrorIsApart(t *testing.T) {
	c := launch(t, "", shell("echo out; echo err >&2"), nil)
	c.started(t)
	c.exit(t)
	c.errs.await(t, "err\n")
	if c.out.String() != "out\n" || c.errs.String() != "err\n" {
		t.Errorf("out %q, err %q", c.out.String(), c.errs.String())
	}
}
