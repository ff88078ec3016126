package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Planner parses a Dockerfile. An error about the text is a *SyntaxError.
type Planner func(ctx context.Context, dockerfile string, text []byte) (Plan, error)

// LoadPlan reads a Dockerfile and returns its plan and its text. A text seen before is not parsed again: its plan lies in
// cacheDir/plans. A cached plan that cannot be used is made again, and a cache that cannot be written is no error. An
// error of the planner is returned as it is and not remembered.
func LoadPlan(ctx context.Context, cacheDir, dockerfile string, read func(string) ([]byte, error), planner Planner) (Plan, []byte, error) {
	text, err := read(dockerfile)
	if err != nil {
		return Plan{}, nil, fmt.Errorf("read Dockerfile: %w", err)
	}
	path := planPath(cacheDir, text)
	if plan, ok := readPlan(path); ok {
		return plan, text, nil
	}
	plan, err := planner(ctx, dockerfile, text)
	if err != nil {
		return Plan{}, nil, err
	}
	if data, err := encodePlan(plan); err == nil {
		// The plan is at hand; a full or read-only cache only costs the next caller a parse.
		_ = writeAtomic(path, data)
	}
	return plan, text, nil
}

func planPath(cacheDir string, text []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "plan %d\n", formatVersion)
	h.Write(text)
	return filepath.Join(cacheDir, "plans", hex.EncodeToString(h.Sum(nil))+".json")
}

// planFile is a cached plan with the digest of its bytes.
type planFile struct {
	Sum  string          `json:"sum"`
	Plan json.RawMessage `json:"plan"`
}

func encodePlan(plan Plan) ([]byte, error) {
	data, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	return json.Marshal(planFile{Sum: hexSum(data), Plan: data})
}

func readPlan(path string) (Plan, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Plan{}, false
	}
	var file planFile
	if json.Unmarshal(data, &file) != nil || file.Sum != hexSum(file.Plan) {
		return Plan{}, false
	}
	var plan Plan
	if json.Unmarshal(file.Plan, &plan) != nil {
		return Plan{}, false
	}
	return plan, true
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
