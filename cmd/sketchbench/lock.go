package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/scenarios"
)

// checkLock refuses to run with other inputs than a lock that is there names.
func checkLock(p *plan.Plan, path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	now := p.Lock()
	if bytes.Equal(b, now) {
		return nil
	}
	f := &scenarios.Faults{Path: path}
	was := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	is := bytes.Split(bytes.TrimRight(now, "\n"), []byte("\n"))
	for i := range max(len(was), len(is)) {
		var locked, have string
		if i < len(was) {
			locked = string(was[i])
		}
		if i < len(is) {
			have = string(is[i])
		}
		if locked != have {
			f.Add(scenarios.Pos{Line: i + 1, Col: 1}, "locked %q, but now it would be %q; renew the lock with sketchbench plan --lock", locked, have)
			break
		}
	}
	return f.Err()
}
