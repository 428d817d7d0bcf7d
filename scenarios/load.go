package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.yaml
var shipped embed.FS

// Shipped returns the names of the scenarios inside the binary, sorted.
func Shipped() []string {
	entries, err := shipped.ReadDir(".")
	if err != nil {
		panic(err) // the embedded root is always there
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Load reads what a scenario argument names: a file, a folder (all its *.yaml
// files, sorted), the bare name of a shipped scenario, or - for stdin. Faults
// of a scenario that can be told together with those of its methods and suites
// are left in it; the error has the others.
func Load(arg string, stdin io.Reader) ([]*Scenario, error) {
	if arg == "-" {
		b, err := io.ReadAll(io.LimitReader(stdin, maxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return one(Parse(b, "-", "."))
	}
	info, err := os.Stat(arg)
	if err != nil {
		if b, readErr := shipped.ReadFile(arg + ".yaml"); readErr == nil {
			return one(Parse(b, arg+".yaml", "."))
		}
		if !strings.ContainsAny(arg, `/\.`) {
			names := Shipped()
			return nil, &Faults{Path: arg, List: []Fault{{Message: fmt.Sprintf("neither a file nor a shipped scenario (%s)%s",
				strings.Join(names, ", "), DidYouMean(arg, names))}}}
		}
		return nil, &Faults{Path: arg, List: []Fault{{Message: "no such file or folder"}}}
	}
	if !info.IsDir() {
		return one(loadFile(arg))
	}
	paths, err := filepath.Glob(filepath.Join(arg, "*.yaml"))
	if err != nil || len(paths) == 0 {
		return nil, &Faults{Path: arg, List: []Fault{{Message: "a folder without *.yaml files"}}}
	}
	var all []*Scenario
	var errs []error
	for _, p := range paths {
		ss, err := one(loadFile(p))
		all, errs = append(all, ss...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// one leaves the faults of a scenario in it, if there is one.
func one(s *Scenario, err error) ([]*Scenario, error) {
	if s == nil {
		return nil, err
	}
	return []*Scenario{s}, nil
}

func loadFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	return Parse(b, path, filepath.Dir(path))
}
