package initd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/internal/lifeline/wire"
)

const (
	rootLine = "root:x:0:0:root:/root:/bin/bash\n"
	rootOnly = "root:x:0:\n"
)

func TestSettleUser(t *testing.T) {
	ada := wire.Request{UID: 4321, GID: 5432, UserName: "ada", Home: true}
	named := func(name string) wire.Request {
		req := ada
		req.UserName = name
		return req
	}
	for _, tt := range []struct {
		name  string
		files map[string]string // before; a name that ends in / is a folder of root's
		req   wire.Request
		home  string
		want  map[string]string // after; "" is absent
	}{
		{"an unknown user is added everywhere",
			map[string]string{"etc/passwd": rootLine, "etc/group": rootOnly, "etc/shadow": "root:*:1::::::\n", "bin/bash": ""}, ada, "/home/ada",
			map[string]string{
				"etc/passwd": rootLine + "ada:x:4321:5432::/home/ada:/bin/bash\n",
				"etc/group":  rootOnly + "ada:x:5432:\n",
				"etc/shadow": "root:*:1::::::\nada:*:19000:0:99999:7:::\n"}},
		{"a last line without a newline stays whole",
			map[string]string{"etc/passwd": strings.TrimSpace(rootLine), "etc/group": "root:x:0:", "etc/shadow": "root:*:1::::::"}, ada, "/home/ada",
			map[string]string{
				"etc/passwd": rootLine + "ada:x:4321:5432::/home/ada:/bin/sh\n",
				"etc/group":  rootOnly + "ada:x:5432:\n",
				"etc/shadow": "root:*:1::::::\nada:*:19000:0:99999:7:::\n"}},
		{"an image without account files gets two, and no shadow", nil, ada, "/home/ada",
			map[string]string{"etc/passwd": "ada:x:4321:5432::/home/ada:/bin/sh\n", "etc/group": "ada:x:5432:\n", "etc/shadow": ""}},
		{"no name is caisson", nil, named(""), "/home/caisson",
			map[string]string{"etc/passwd": "caisson:x:4321:5432::/home/caisson:/bin/sh\n"}},
		{"a known uid stays as it is",
			map[string]string{"etc/passwd": "dev:x:4321:5432::/srv/dev:/bin/sh", "etc/group": "dev:x:5432:\n"}, ada, "/srv/dev",
			map[string]string{"etc/passwd": "dev:x:4321:5432::/srv/dev:/bin/sh", "etc/group": "dev:x:5432:\n", "home/ada": ""}},
		{"a known uid without a home has /",
			map[string]string{"etc/passwd": "dev:x:4321:5432:::\n"}, ada, "/", nil},
		{"a taken name gets a number",
			map[string]string{"etc/passwd": "ada:x:1:1::/:/bin/sh\nada2:x:2:2::/:/bin/sh\n", "etc/group": "ada:x:1:\n"}, ada, "/home/ada3",
			map[string]string{
				"etc/passwd": "ada:x:1:1::/:/bin/sh\nada2:x:2:2::/:/bin/sh\nada3:x:4321:5432::/home/ada3:/bin/sh\n",
				"etc/group":  "ada:x:1:\nada3:x:5432:\n"}},
		{"a known group is not added again",
			map[string]string{"etc/group": "staff:x:5432:\n"}, ada, "/home/ada",
			map[string]string{"etc/group": "staff:x:5432:\n"}},
		{"a stale shadow line is not doubled",
			map[string]string{"etc/shadow": "ada:!:1::::::\n"}, ada, "/home/ada",
			map[string]string{"etc/shadow": "ada:!:1::::::\n"}},
		{"a name cannot smuggle in a line", nil, named("a:x:0\nb"), "/home/a_x_0_b",
			map[string]string{"etc/passwd": "a_x_0_b:x:4321:5432::/home/a_x_0_b:/bin/sh\n"}},
		{"a name cannot leave /home", nil, named("../etc"), "/home/_._etc", nil},
		{"a domain user gets a valid name", nil, named(`CORP\ada@x`), "/home/CORP_ada_x", nil},
		{"a long name is cut to 32 bytes", nil, named(strings.Repeat("n", 40)), "/home/" + strings.Repeat("n", 32), nil},
		{"nobody else is called root", nil, named("root"), "/home/root2",
			map[string]string{"etc/passwd": "root2:x:4321:5432::/home/root2:/bin/sh\n"}},
		{"uid 0 is root in an image without account files", nil, wire.Request{UserName: "ada", Home: true}, "/root",
			map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\n"}},
		{"lines that are none are passed over",
			map[string]string{"etc/passwd": "\n# ada\n::4321\n+::::::\nx:4321\n"}, ada, "/home/ada", nil},
		{"without the wish nothing is written", map[string]string{"etc/passwd": rootLine}, wire.Request{UID: 4321}, "/",
			map[string]string{"etc/passwd": rootLine, "etc/group": "", "home": ""}},
		{"a home of root's becomes the user's", map[string]string{"home/ada/": ""}, ada, "/home/ada", nil},
		{"a file in place of the home is left alone", map[string]string{"home/ada": "x"}, ada, "/home/ada.caisson",
			map[string]string{"home/ada": "x"}},
		{"where /home is a file the home is /tmp", map[string]string{"home": "x", "tmp/": "1777"}, ada, "/tmp", nil},
		{"where nothing is writable the home is /", map[string]string{"home": "x"}, ada, "/",
			map[string]string{"etc/passwd": "ada:x:4321:5432::/:/bin/sh\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range tt.files {
				lay(t, root, name, content)
			}
			if got := settleUser(root, &tt.req); got != tt.home {
				t.Errorf("home is %q, want %q", got, tt.home)
			}
			for name, want := range tt.want {
				got, err := os.ReadFile(filepath.Join(root, name))
				if want == "" && !os.IsNotExist(err) {
					t.Errorf("%s is there: %v", name, err)
				}
				if string(got) != want {
					t.Errorf("%s is\n%swant\n%s", name, got, want)
				}
			}
			if strings.HasPrefix(tt.home, "/home/") {
				owned(t, root+tt.home, tt.req.UID, tt.req.GID)
			}
		})
	}
}

func lay(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	switch {
	case !strings.HasSuffix(name, "/"):
		err = os.WriteFile(path, []byte(content), 0o644)
	case content == "1777":
		if err = os.MkdirAll(path, 0o755); err == nil {
			err = os.Chmod(path, 0o777|os.ModeSticky)
		}
	default:
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func owned(t *testing.T, path string, uid, gid int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if int(st.Uid) != uid || int(st.Gid) != gid || info.Mode().Perm() != 0o755 {
		t.Errorf("%s belongs to %d:%d with mode %v", path, st.Uid, st.Gid, info.Mode())
	}
}

func TestSecondRunFindsTheUser(t *testing.T) {
	root := t.TempDir()
	req := wire.Request{UID: 4321, GID: 5432, UserName: "ada", Home: true}
	for range 2 {
		if home := settleUser(root, &req); home != "/home/ada" {
			t.Errorf("home is %q", home)
		}
	}
	if got, _ := os.ReadFile(root + "/etc/passwd"); strings.Count(string(got), "\n") != 1 {
		t.Errorf("passwd is\n%s", got)
	}
}

func TestHomeOfAnotherUserIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	lay(t, root, "home/ada/", "")
	if err := os.Chown(root+"/home/ada", 77, 77); err != nil {
		t.Fatalf("this test needs root: %v", err)
	}
	req := wire.Request{UID: 4321, GID: 5432, UserName: "ada", Home: true}
	if home := settleUser(root, &req); home != "/home/ada.caisson" {
		t.Errorf("home is %q", home)
	}
	owned(t, root+"/home/ada", 77, 77)
}

func TestFullDiskLeavesAccountFilesWhole(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=8k"); err != nil {
		t.Fatalf("mount a small file system (this test needs root): %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(root, 0) })
	before := strings.Repeat("#", 4090) + "\n"
	path := root + "/passwd"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/rest", make([]byte, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := readAccounts(path).add(0o644, "ada:x:4321:5432::/home/ada:/bin/sh"); err == nil {
		t.Error("a line was added to a full disk")
	}
	if got, _ := os.ReadFile(path); string(got) != before {
		t.Errorf("the file has %d bytes after, %d before", len(got), len(before))
	}
}
