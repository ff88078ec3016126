package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"caisson/internal/engine"
	"caisson/internal/project/values"
	"caisson/internal/run"
	"caisson/internal/view/ascaller"
)

// SSHAgent is an SSH agent of the caller that image builds may use.
type SSHAgent struct {
	ID     string // what RUN --mount=type=ssh,id=… calls it; "default" without an id
	Socket string // absolute
}

const secretForm = "id=ID,src=FILE, id=ID,env=NAME or id=ID"

// takeSecret takes a secret of image builds, written as for docker build. No message shows more of the words than their
// keys: the value of a secret is easily put in the wrong place.
func takeSecret(p *parser, name, text string) error {
	refuse := func(hint, reason string, args ...any) error {
		return &UsageError{Reason: name + ": " + fmt.Sprintf(reason, args...), Hint: hint}
	}
	parts, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return refuse("write "+name+" "+secretForm, "the secret cannot be read")
	}
	var s values.Secret
	var kind string
	fields := map[string]*string{"id": &s.ID, "src": &s.Path, "source": &s.Path, "env": &s.Env, "type": &kind}
	for i, part := range parts {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return refuse("write "+name+" "+secretForm, "part %d of the secret has no key", i+1)
		}
		field, ok := fields[key]
		switch {
		case !ok:
			hint := "the keys are id, src, env, type"
			if near := values.Nearest(key, []string{"id", "src", "source", "env", "type"}); len(near) > 0 {
				hint = "did you mean " + near[0] + "="
			}
			return refuse(hint, "a secret has no key %s", values.Clip(key))
		case *field != "":
			return refuse("keep one", "the secret has %s= twice", key)
		case value == "":
			return refuse("write "+name+" "+secretForm, "the secret has nothing behind %s=", key)
		}
		*field = value
	}
	if kind == "env" && s.Env == "" { // src= is then the variable
		s.Env, s.Path = s.Path, ""
	}
	no := values.SecretID(s.ID)
	switch {
	case kind != "" && kind != "file" && kind != "env":
		return refuse("leave out type=, or write type=file or type=env", "no secret has that type")
	case no != nil:
		return refusal(name, no)
	case s.Env != "" && s.Path != "":
		return refuse("keep the one that has the value", "the secret %s has both src= and env=", s.ID)
	}
	for _, other := range p.run.Secrets {
		if other.ID == s.ID {
			return refuse("keep one", "the secret %s twice", s.ID)
		}
	}
	p.run.Secrets = append(p.run.Secrets, s)
	return nil
}

// takeSSH takes an SSH agent: default, ID, or ID=SOCKET.
func takeSSH(p *parser, name, text string) error {
	id, socket, given := strings.Cut(text, "=")
	if id == "" || given && socket == "" || strings.Contains(id, "/") || id == "." || id == ".." {
		return &UsageError{Reason: fmt.Sprintf("%s: %s is not an SSH agent", name, values.Clip(text)),
			Hint: "write default, or ID=SOCKET"}
	}
	for _, other := range p.run.SSH {
		if other.ID == id {
			return &UsageError{Reason: fmt.Sprintf("%s: the agent %s twice", name, values.Clip(id)), Hint: "keep one"}
		}
	}
	p.run.SSH = append(p.run.SSH, SSHAgent{ID: id, Socket: socket})
	return nil
}

// checkSources decides where the secrets and agents of the line come from, and that they are there: before anything
// starts. Relative paths are below the working folder.
func (r *Run) checkSources(getenv func(string) (string, bool)) error {
	if len(r.Secrets)+len(r.SSH) == 0 {
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return &UsageError{Reason: fmt.Sprintf("there is no working folder: %v", err), Hint: "cd to one that exists"}
	}
	if r.Secrets, err = checkSecrets(r.Secrets, dir, getenv); err != nil {
		return err
	}
	for i := range r.SSH {
		if r.SSH[i], err = r.SSH[i].check(dir, getenv); err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets decides where each secret comes from, a relative path being one below dir, and that it can be read. An
// optional one that is missing is left out.
func checkSecrets(secrets []values.Secret, dir string, getenv func(string) (string, bool)) ([]values.Secret, error) {
	var kept []values.Secret
	for _, s := range secrets {
		byID := s.Path == "" && s.Env == ""
		s = s.From(dir, getenv)
		reason, missing := secretProblem(s, getenv)
		if reason == "" {
			kept = append(kept, s)
			continue
		}
		if missing && s.Optional {
			continue
		}
		hint := "name a file that holds it and that you may read"
		switch {
		case byID:
			reason = fmt.Sprintf("there is no variable %s, and %s", s.ID, reason)
			hint = "say where it is: src for a file, env for a variable"
		case s.Env != "":
			hint = "set and export it"
		case missing && strings.Contains(s.Path, "/~/"):
			hint = "write $HOME instead of ~"
		}
		return nil, &UsageError{Reason: fmt.Sprintf("the secret %s: %s", s.ID, reason), Hint: hint}
	}
	return kept, nil
}

// mostSecret is how many bytes BuildKit takes. Source: https://github.com/moby/buildkit, session/secrets
const mostSecret = 500 << 10

// secretProblem says why a secret cannot be read, "" when it can, and whether that is because there is none.
func secretProblem(s values.Secret, getenv func(string) (string, bool)) (reason string, missing bool) {
	if s.Env != "" {
		if _, ok := getenv(s.Env); !ok {
			return fmt.Sprintf("there is no variable %s", values.Clip(s.Env)), true
		}
		return "", false
	}
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no file " + s.Path, true
	case err == nil && info.IsDir():
		return s.Path + " is a folder", false
	case err == nil && info.Size() > mostSecret:
		return fmt.Sprintf("%s has %d bytes, and %d are the most", s.Path, info.Size(), mostSecret), false
	case err == nil:
		// Asked, not opened: what a shell makes of <(command) can be read once.
		err = unix.Faccessat(unix.AT_FDCWD, s.Path, unix.R_OK, unix.AT_EACCESS)
	}
	if err != nil {
		return fmt.Sprintf("%s cannot be read: %v", s.Path, cause(err)), false
	}
	return "", false
}

// cause is an error without the path that stands in the message already.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// check finds the agent's socket.
func (a SSHAgent) check(dir string, getenv func(string) (string, bool)) (SSHAgent, error) {
	refuse := func(hint, reason string, args ...any) (SSHAgent, error) {
		return a, &UsageError{Reason: fmt.Sprintf("the SSH agent %s: ", a.ID) + fmt.Sprintf(reason, args...), Hint: hint}
	}
	const start = "start one with: eval $(ssh-agent); ssh-add"
	if a.Socket == "" {
		socket, _ := getenv("SSH_AUTH_SOCK")
		if socket == "" {
			return refuse(start+" (under sudo: sudo --preserve-env=SSH_AUTH_SOCK), or write --ssh "+a.ID+"=SOCKET",
				"$SSH_AUTH_SOCK is not set")
		}
		a.Socket = socket
	}
	if !filepath.IsAbs(a.Socket) {
		a.Socket = filepath.Join(dir, a.Socket)
	}
	info, err := os.Stat(a.Socket)
	switch {
	case err != nil:
		return refuse(start, "its socket %s cannot be used: %v", a.Socket, cause(err))
	case info.Mode().IsRegular():
		return refuse("add a key to an agent with: ssh-add "+a.Socket, "%s is a file, and not the socket of an agent", a.Socket)
	case info.Mode()&fs.ModeSocket == 0:
		return refuse(start, "%s is not a socket", a.Socket)
	}
	return a, nil
}

// takeSecrets reads the values, once, and takes them out of this process's environment: what it starts does not have them.
// So it comes before anything is started.
func takeSecrets(secrets []values.Secret, user run.User) (all []engine.Secret, err error) {
	for _, s := range secrets {
		content := []byte(os.Getenv(s.Env))
		read := func() (err error) {
			content, err = os.ReadFile(s.Path)
			return err
		}
		switch {
		case s.Env != "":
		case s.OfProject:
			err = ascaller.Do(user.UID, user.GID, user.Groups(), read)
		default:
			err = read()
		}
		if err != nil {
			return nil, fmt.Errorf("the secret %s: %w", s.ID, err)
		}
		all = append(all, engine.Secret{ID: s.ID, Value: content})
	}
	for _, s := range secrets {
		if s.Env != "" {
			os.Unsetenv(s.Env)
		}
	}
	return all, nil
}

func (r Run) agents() (all []engine.SSHAgent) {
	for _, a := range r.SSH {
		all = append(all, engine.SSHAgent(a))
	}
	return all
}
