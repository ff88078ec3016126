package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

const entry = "#!/bin/sh\necho \"entry:$#\"\nfor a in \"$@\"; do echo \"<$a>\"; done\n[ $# = 0 ] || exec \"$@\"\n"

// withEntry is a Dockerfile of an image whose ENTRYPOINT shows its words and runs them.
func withEntry(more string) string {
	return "FROM tiny\nCOPY entry.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n" + more
}

func TestEntrypointAndCommandOfTheImage(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/entry.sh":               entry,
		"ci/docker/Dockerfile.build.none":  "FROM tiny\n",
		"ci/docker/Dockerfile.build.cmd":   "FROM tiny\nCMD [\"echo\", \"from CMD\"]\n",
		"ci/docker/Dockerfile.build.shell": "FROM tiny\nCMD echo from a shell, $((1 + 2))\n",
		"ci/docker/Dockerfile.build.entry": withEntry(""),
		"ci/docker/Dockerfile.build.both":  withEntry("CMD [\"echo\", \"from CMD\"]\n"),
		"ci/docker/runtime_functions.sh":   "#!/bin/sh\nbuild_cmd() { echo function; }\nbuild_both() { echo function; }\n\"$@\"\n",
	})
	const functions = "<...>" // stands for the functions file
	for _, c := range []struct {
		name        string
		interactive bool
		platform    string
		command     []string
		want        string
	}{
		{"COMMAND takes the place of CMD", false, "cmd", []string{"echo", "mine"}, "mine\n"},
		{"COMMAND follows ENTRYPOINT", false, "entry", []string{"echo", "a b", ""}, "entry:3\n<echo>\n<a b>\n<>\na b \n"},
		{"COMMAND follows ENTRYPOINT and takes the place of CMD", false, "both", []string{"echo"}, "entry:1\n<echo>\n\n"},
		{"the build function takes the place of CMD", false, "cmd", nil, "function\n"},
		{"the build function follows ENTRYPOINT", false, "both", nil, "entry:2\n<" + functions + ">\n<build_both>\nfunction\n"},
		{"-i runs CMD", true, "cmd", nil, "from CMD\n"},
		{"-i runs CMD in its shell form", true, "shell", nil, "from a shell, 3\n"},
		{"-i runs ENTRYPOINT", true, "entry", nil, "entry:0\n"},
		{"-i runs ENTRYPOINT with CMD", true, "both", nil, "entry:2\n<echo>\n<from CMD>\nfrom CMD\n"},
		{"-i runs ENTRYPOINT with COMMAND", true, "both", []string{"echo", "mine"}, "entry:2\n<echo>\n<mine>\nmine\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.Replace(c.want, functions, "/work/demo/ci/docker/runtime_functions.sh", 1)
			if !c.interactive {
				equal(t, "output", tr.must(t, append([]string{"-p", c.platform}, c.command...)...), want)
				return
			}
			tr.must(t, "-p", c.platform, "-b")
			term := tr.startTerminal(t, append([]string{"-p", c.platform, "-i"}, c.command...)...)
			term.expect(want)
			term.ends(0)
			if !strings.HasSuffix("\n"+term.text(), "\n"+want) { // lines of caisson's may come before
				t.Errorf("output is %q, want %q", term.text(), want)
			}
		})
	}
	t.Run("-i runs /bin/sh where there is neither", func(t *testing.T) {
		term := tr.startTerminal(t, "-p", "none", "-i")
		term.keys("echo $0 $((40 + 2)); exit 3\r")
		term.expect("/bin/sh 42\n")
		term.ends(3)
	})
}

func TestVariablesOfTheImageAndOfTheCommandLine(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\nENV A=image B=\"two words\"\nENV OLD form of ENV\nENV PATH=/opt/bin:$PATH\n",
	}).with("HOST=of the host", "SECRET=of the host")
	const show = `echo "A=$A B=$B OLD=$OLD HOST=$HOST SECRET=$SECRET PATH=$PATH"`
	equal(t, "environment", tr.sh(t, show),
		"A=image B=two words OLD=form of ENV HOST= SECRET= PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n")
	equal(t, "environment with -e", tr.must(t, "-p", "tiny", "-e", "A=x=y", "B=", "-e", "HOST", "PATH=/bin", "sh", "-c", show),
		"A=x=y B= OLD=form of ENV HOST=of the host SECRET= PATH=/bin\n")
	equal(t, "a variable that is given twice", tr.must(t, "-p", "tiny", "-e", "A=1", "-e", "A=2", "sh", "-c", "echo $A; env | grep -c ^A="), "2\n1\n")
}

func TestTheWorkingFolderIsTheImages(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.none":  "FROM tiny\n",
		"ci/docker/Dockerfile.build.made":  "FROM tiny\nWORKDIR /opt/there\n",
		"ci/docker/Dockerfile.build.gone":  "FROM tiny\nWORKDIR /opt/not/there\nRUN cd / && rm -r /opt\n",
		"ci/docker/Dockerfile.build.work":  "FROM tiny\nWORKDIR /work\n",
		"ci/docker/Dockerfile.build.build": "FROM tiny\nWORKDIR /work/build\n",
		"ci/docker/Dockerfile.build.tree":  "FROM tiny\nWORKDIR /work/demo/new/folder\n",
	})
	for platform, want := range map[string]string{
		"none": "/", "made": "/opt/there", "gone": "/opt/not/there", "work": "/work", "build": "/work/build",
		"tree": "/work/demo/new/folder",
	} {
		equal(t, "working folder on "+platform, tr.must(t, "-p", platform, "pwd"), want+"\n")
	}
}

func TestTheUserOfTheImageIsNotTheUserOfTheRun(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nUSER 4242:4243\nRUN id -u > /tmp/built-by\n"})
	me := harness.Runner()
	equal(t, "user", tr.sh(t, "id -u; id -g; cat /tmp/built-by"), fmt.Sprintf("%d\n%d\n4242\n", me.UID, me.GID))
}

func TestTheCallersNumbersAreBuildArgumentsWhereTheyAreDeclared(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/ids.sh": "#!/bin/sh\necho \"${USER_ID-none}:${GROUP_ID-none}\" > /ids\n",
		// The script reads them from its environment: no line of the Dockerfile uses them.
		"ci/docker/Dockerfile.build.both":    "FROM tiny\nARG USER_ID=1\nARG GROUP_ID\nCOPY ids.sh /\nRUN /ids.sh\n",
		"ci/docker/Dockerfile.build.one":     "FROM tiny\nARG USER_ID\nCOPY ids.sh /\nRUN /ids.sh\n",
		"ci/docker/Dockerfile.build.neither": "FROM tiny\nCOPY ids.sh /\nRUN /ids.sh\n",
		"ci/docker/Dockerfile.build.first": "FROM tiny AS first\nARG USER_ID\nARG GROUP_ID\nCOPY ids.sh /\nRUN /ids.sh\n" +
			"FROM tiny\nCOPY --from=first /ids /ids\n",
	}).owned(t)
	for platform, want := range map[string]string{
		"both": "54321:54322", "one": "54321:none", "neither": "none:none", "first": "54321:54322",
	} {
		equal(t, "what a script saw on "+platform, tr.must(t, "-p", platform, "cat", "/ids"), want+"\n")
	}
}

func TestTheRootFileSystemIsWritableAndGoneAfterwards(t *testing.T) {
	tr := coldTree(t, map[string]string{ // whoever runs may write there
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN mkdir /work && chmod a+rwx /bin /usr/bin /etc /root /work\n",
	})
	tr.sh(t, "set -e; for d in /usr/bin /etc /root /tmp /work; do echo x > $d/mark; done; rm /bin/yes; cat /usr/bin/mark")
	equal(t, "what is left", tr.sh(t, "ls -d /usr/bin/mark /etc/mark /root/mark /tmp/mark /work/mark /bin/yes 2>/dev/null || :"), "/bin/yes\n")
	t.Run("its top folder, by root", func(t *testing.T) {
		harness.RootOnly(t, "it is root's")
		equal(t, "what is left", tr.sh(t, "echo x > /mark; cat /mark")+tr.sh(t, "ls /mark 2>/dev/null || :"), "x\n")
	})
	for _, folder := range []string{"fs", "scratch"} {
		if left := list(t, tr.Store, folder); len(left) > 0 {
			t.Errorf("left in %s of the store: %q", folder, left)
		}
	}
	t.Run("while a run lasts its changes are on disk", func(t *testing.T) {
		l := tr.start(t, "-p", "tiny", "sh", "-c", "head -c 50000000 /dev/zero > /tmp/big; echo ready; read -r line")
		l.expect(t, "ready")
		if n := size(t, tr.Store, "fs"); n < 50_000_000 {
			t.Errorf("%d bytes are in fs of the store", n)
		}
		harness.Signal(t, l.cmd, 15)
		l.wait(t, time.Now())
		if left := list(t, tr.Store, "fs"); len(left) > 0 {
			t.Errorf("left of an interrupted run: %q", left)
		}
	})
}
