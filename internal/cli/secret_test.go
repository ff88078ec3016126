package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caisson/internal/engine"
	"caisson/internal/project/config"
	"caisson/internal/project/values"
)

// here makes the working folder one of the test, with the files: a name that ends in / is a folder.
func here(t *testing.T, files ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, file := range files {
		if strings.HasSuffix(file, "/") {
			err = os.Mkdir(file, 0o755)
		} else {
			err = os.WriteFile(file, []byte("hunter2"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWhereASecretComesFrom(t *testing.T) {
	dir := here(t, "file", "a,b", "named")
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		line []string
		want []values.Secret
	}{
		{"a file", words("--secret id=s,src=file"), []values.Secret{{ID: "s", Path: dir + "/file"}}},
		{"by the other name of the key", words("--secret=source=file,id=s"), []values.Secret{{ID: "s", Path: dir + "/file"}}},
		{"an absolute file", []string{"--secret", "id=s,type=file,src=" + dir + "/file"}, []values.Secret{{ID: "s", Path: dir + "/file"}}},
		{"a name with a comma", []string{"--secret", `id=s,"src=a,b"`}, []values.Secret{{ID: "s", Path: dir + "/a,b"}}},
		{"a pipe is not read", words("--secret id=s,src=pipe"), []values.Secret{{ID: "s", Path: dir + "/pipe"}}},
		{"a variable", words("--secret id=s,env=HOME"), []values.Secret{{ID: "s", Env: "HOME"}}},
		{"an empty variable", words("--secret id=s,env=EMPTY"), []values.Secret{{ID: "s", Env: "EMPTY"}}},
		{"a variable by its type", words("--secret id=s,type=env,src=HOME"), []values.Secret{{ID: "s", Env: "HOME"}}},
		{"the variable of its name", words("--secret id=HOME"), []values.Secret{{ID: "HOME", Env: "HOME"}}},
		{"else the file of its name", words("--secret id=named"), []values.Secret{{ID: "named", Path: dir + "/named"}}},
		{"several", words("--secret id=HOME --secret id=s,src=file"), []values.Secret{{ID: "HOME", Env: "HOME"}, {ID: "s", Path: dir + "/file"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRun(append(words("-p x"), test.line...), host)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Secrets); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsThatAreRefusedAndNotShown(t *testing.T) {
	dir := here(t, "folder/", "file", "large")
	if err := os.Truncate("large", 600<<10); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line string
		says []string
	}{
		{"--secret", []string{"--secret needs a id=ID[,src=PATH]"}},
		{"--secret hunter2", []string{"part 1 of the secret has no key", "id=ID,src=FILE"}},
		{"--secret id=a,hunter2", []string{"part 2 of the secret has no key"}},
		{"--secret TOKEN=hunter2", []string{`no key "TOKEN"`, "the keys are id, src, env, type"}},
		{"--secret id=a,scr=hunter2", []string{`no key "scr"`, "did you mean src="}},
		{"--secret id=TOKEN=hunter2", []string{"the ID of a secret has no"}},
		{"--secret src=file", []string{"a secret without an ID", "RUN --mount=type=secret"}},
		{"--secret id=", []string{"nothing behind id="}},
		{"--secret id=a,id=b", []string{"has id= twice"}},
		{"--secret id=a,src=file,env=HOME", []string{"the secret a has both src= and env="}},
		{"--secret id=a,type=hunter2", []string{"no secret has that type"}},
		{`--secret "hunter2`, []string{"the secret cannot be read"}},
		{"--secret id=a,src=file --secret id=a,src=file", []string{"the secret a twice"}},
		{"--secret id=NOPE", []string{"there is no variable NOPE, and there is no file " + dir + "/NOPE", "src for a file"}},
		{"--secret id=a,env=NOPE", []string{`there is no variable "NOPE"`, "set and export it"}},
		{"--secret id=a,src=nope", []string{"the secret a: there is no file " + dir + "/nope"}},
		{"--secret id=a,src=~/nope", []string{"write $HOME instead of ~"}},
		{"--secret id=a,src=folder", []string{dir + "/folder is a folder"}},
		{"--secret id=a,src=file/x", []string{"cannot be read: not a directory"}},
		{"--secret id=a,src=large", []string{"has 614400 bytes, and 512000 are the most"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := ParseRun(append(words("-p x"), words(test.line)...), host)
			wantUsageError(t, err, test.says...)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
	if _, err := ParseRun(words("-l --secret id=a,src=nope"), host); err != nil {
		t.Errorf("a list needs no secret: %v", err)
	}
}

func TestSSHAgents(t *testing.T) {
	dir := here(t, "key")
	listener, err := net.Listen("unix", "agent")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	with := func(name string) (string, bool) {
		if name == "SSH_AUTH_SOCK" {
			return dir + "/agent", true
		}
		return host(name)
	}
	got, err := ParseRun(words("-p x --ssh default --ssh=other=agent"), with)
	if err != nil {
		t.Fatal(err)
	}
	want := []SSHAgent{{ID: "default", Socket: dir + "/agent"}, {ID: "other", Socket: dir + "/agent"}}
	if diff := cmp.Diff(want, got.SSH); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		line string
		says []string
	}{
		{"--ssh default", []string{"the SSH agent default: $SSH_AUTH_SOCK is not set", "ssh-agent", "--ssh default=SOCKET"}},
		{"--ssh", []string{"--ssh needs a default|ID[=SOCKET]"}},
		{"--ssh =x", []string{`"=x" is not an SSH agent`}},
		{"--ssh a=", []string{`"a=" is not an SSH agent`, "ID=SOCKET"}},
		{"--ssh a=agent --ssh a=agent", []string{`the agent "a" twice`}},
		{"--ssh a=nope", []string{dir + "/nope cannot be used: no such file"}},
		{"--ssh a=key", []string{dir + "/key is a file, and not the socket", "ssh-add " + dir + "/key"}},
		{"--ssh a=/dev/null", []string{"/dev/null is not a socket"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := ParseRun(append(words("-p x"), words(test.line)...), host)
			wantUsageError(t, err, test.says...)
		})
	}
}

func TestFlagsWinOverCaissonYaml(t *testing.T) {
	dir := here(t, "file")
	file := config.Settings{Network: "none", Memory: 8 << 20, CPUs: 2, PIDs: 5,
		Secrets: []values.Secret{{ID: "a", Path: "file"}, {ID: "b", Env: "HOME", Optional: true}, {ID: "c", Path: "nope", Optional: true}}}
	for _, test := range []struct {
		name string
		line []string
		file config.Settings
		want Run
	}{
		{"neither says anything", nil, config.Settings{}, request(func(r *Run) { r.Network = "private" })},
		{"the file alone", nil, file, request(func(r *Run) {
			r.Network, r.Memory, r.CPUs, r.PIDs = "none", 8<<20, 2, 5
			r.Secrets = []values.Secret{{ID: "a", Path: dir + "/file", OfProject: true}}
		})},
		{"both", words("--network host --memory 9m --cpus 1 --pids 6 --secret id=b,env=EMPTY"), file, request(func(r *Run) {
			r.Network, r.Memory, r.CPUs, r.PIDs = "host", 9<<20, 1, 6
			r.Secrets = []values.Secret{{ID: "a", Path: dir + "/file", OfProject: true}, {ID: "b", Env: "EMPTY"}}
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := ParseRun(append(words("-p x"), test.line...), host)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.withSettings(test.file, dir, host)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, err := request(func(r *Run) { r.Publish = []engine.Publish{{Addr: "127.0.0.1", Host: 1, Container: 1}} }).withSettings(file, dir, host)
	wantUsageError(t, err, "--publish needs a private network, and network: none in caisson.yaml has no way in", "--network private")
	_, err = request(func(*Run) {}).withSettings(config.Settings{Secrets: []values.Secret{{ID: "q"}}}, dir, host)
	wantUsageError(t, err, "caisson.yaml needs the secret q", "--secret id=q,src=FILE")
	_, err = request(func(*Run) {}).withSettings(config.Settings{Secrets: []values.Secret{{ID: "q", Env: "HOME"}}}, dir, host)
	wantUsageError(t, err, `caisson.yaml asks for your variable "HOME"`, "--secret id=q,env=HOME")
	_, err = request(func(*Run) {}).withSettings(config.Settings{Secrets: []values.Secret{{ID: "q", Path: "/etc/passwd"}}}, dir, host)
	wantUsageError(t, err, "caisson.yaml asks for /etc/passwd, which is outside of the project", "--secret id=q,src=/etc/passwd")
}
