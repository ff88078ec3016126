//go:build tools

// Package runc pins the container runtime that travels inside caisson: a module of its own, so that runc is built with
// exactly the dependencies that its authors chose.
package runc

import _ "github.com/opencontainers/runc"
