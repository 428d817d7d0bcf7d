// Package sharedtest finds reference data outside the repository, for tests.
// The data are oracles made by other programs; a checkout without them still
// builds and passes its tests, with the tests that need them skipped.
package sharedtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Environment variables read by Dir.
const (
	// EnvShared is the path of the reference data.
	EnvShared = "SKETCHBENCH_SHARED"
	// EnvRequire, when not empty, turns absent reference data from a skipped
	// test into a failed one: for the builder that ought to have them.
	EnvRequire = "SKETCHBENCH_REQUIRE_SHARED"
)

// Dir returns the path of the file or directory elem of the reference data.
// The data are at $SKETCHBENCH_SHARED, else in a directory "shared" beside the
// module root, which is the nearest directory with a go.mod above the working
// directory. If elem does not exist the test is skipped, or fails where
// SKETCHBENCH_REQUIRE_SHARED is set.
func Dir(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := find(elem)
	if err != nil {
		if os.Getenv(EnvRequire) != "" {
			t.Fatalf("reference data: %v", err)
		}
		t.Skipf("reference data: %v", err)
	}
	return path
}

// find returns the existing path of elem below the reference data.
func find(elem []string) (string, error) {
	root := os.Getenv(EnvShared)
	if root == "" {
		module, err := moduleRoot()
		if err != nil {
			return "", err
		}
		root = filepath.Join(filepath.Dir(module), "shared")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}

// moduleRoot walks up from the working directory, which for a test is its
// package's directory, to the directory that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
