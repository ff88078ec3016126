package main

import (
	"os/exec"
	"strings"
	"testing"
)

// A program that links BuildKit or containerd needs more than half of a bare `runc run` just to start.
func TestTheFirstProgramLinksNothingHeavy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list names only %d packages: is this the right program?", len(deps))
	}
	heavy := []string{"moby/buildkit", "containerd/", "google.golang.org/grpc", "docker/", "go-containerregistry", "opencontainers/go-digest", "net/http"}
	for _, dep := range deps {
		for _, h := range heavy {
			if strings.Contains(dep, h) {
				t.Errorf("cmd/caisson links %s", dep)
			}
		}
	}
}
