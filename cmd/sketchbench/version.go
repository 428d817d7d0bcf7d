package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/kernels/cpu"
)

// commit is set by the linker (Makefile).
var commit string

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, Go and what is compiled in",
		Args:  usage(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			var isas []string
			for _, isa := range cpu.Available() {
				isas = append(isas, string(isa))
			}
			_, err := fmt.Fprintf(a.out, "sketchbench %s\ncommit      %s\ngo          %s %s/%s\nfeatures    kernels for %s on this machine; no cuda\n",
				moduleVersion(), buildCommit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(isas, ", "))
			return err
		},
	}
}

// moduleVersion is the version that Go recorded, "devel" outside a release.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// buildCommit is the commit that the binary was built from.
func buildCommit() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "unknown"
}

// newRunID is sortable: UTC start and 6 random hex digits.
func newRunID(start time.Time) string {
	var b [3]byte
	rand.Read(b[:]) // never fails
	return start.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}
