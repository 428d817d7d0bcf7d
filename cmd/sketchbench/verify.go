package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/runner"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/results"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify PATH…",
		Short: "Read files again and compare them with their hashes",
		Long: "Verify reads an artefact, an entry of the cache, all entries of a stage or of a cache, or a records file,\n" +
			"and prints a line for each: ok, or what is wrong with it. It changes nothing.",
		Args: usage(cobra.MinimumNArgs(1), "a path"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args) },
	}
}

// verify checks every path and prints a line for each thing in it.
func (a *app) verify(ctx context.Context, paths []string) error {
	v := &verifier{app: a, ctx: ctx, out: &errWriter{w: a.out}, said: time.Now()}
	for _, path := range paths {
		v.path(path)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", runner.ErrStopped, context.Cause(ctx))
		}
	}
	if v.out.err != nil {
		return v.out.err
	}
	if v.faults > 0 {
		return fmt.Errorf("%d of %s damaged", v.faults, plural(v.things, "thing"))
	}
	return nil
}

// A verifier prints what it finds.
type verifier struct {
	*app
	ctx            context.Context
	out            *errWriter
	things, faults int
	said           time.Time // when progress was last told
}

// result prints the line of one thing.
func (v *verifier) result(path, what string, err error, remedy string) {
	if v.ctx.Err() != nil {
		return // it was not read to its end
	}
	v.things++
	if err == nil {
		v.out.printf("ok     %s: %s\n", path, what)
		return
	}
	v.faults++
	v.out.printf("fault  %s: %s; %s\n", path, oneLine(err), remedy)
}

// path finds out what is there and checks it.
func (v *verifier) path(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		v.result(path, "", err, "name an artefact, a cache or one of its folders, or a records file")
	case !info.IsDir():
		v.records(path)
	case isThere(filepath.Join(path, artefact.ManifestFile)):
		v.artefact(path)
	default:
		entries, err := stage.Entries(path)
		if err == nil && len(entries) == 0 {
			err = errors.New("neither an artefact (no " + artefact.ManifestFile + ") nor an entry, a stage or a cache with entries")
		}
		if err != nil {
			v.result(path, "", err, "name an artefact, a cache or one of its folders, or a records file")
		}
		for _, entry := range entries {
			if v.ctx.Err() == nil {
				v.entry(entry)
			}
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// entry checks an entry of the cache, and what it holds if that is an artefact.
func (v *verifier) entry(path string) {
	bytes, err := stage.Verify(v.ctx, path, v.progress(path))
	value := filepath.Join(path, "value")
	if err == nil && isThere(filepath.Join(value, artefact.ManifestFile)) {
		var a *artefact.Artefact
		if a, err = artefact.Open(value); err == nil {
			err = a.Close()
		}
	}
	if err != nil && !isThere(path) {
		return // deleted or set aside by a run meanwhile
	}
	v.result(path, fmt.Sprintf("cache entry, %d bytes", bytes), err, "the next run that wants it sets it aside and makes it anew")
}

// artefact checks a folder with a manifest, wherever it lies.
func (v *verifier) artefact(path string) {
	a, err := artefact.Open(path)
	if err != nil {
		v.result(path, "", err, "make it anew")
		return
	}
	files := a.Manifest().Files
	var total, done int64
	for _, f := range files {
		total += f.Bytes
	}
	progress := v.progress(path)
	for _, f := range files {
		if v.ctx.Err() != nil {
			break
		}
		err = errors.Join(err, artefact.Verify(path, []artefact.File{f}))
		done += f.Bytes
		progress(done, total)
	}
	err = errors.Join(err, a.Close())
	v.result(path, fmt.Sprintf("artefact %.12s, %s, %d bytes", a.Hash(), plural(len(files), "file"), total), err, "make it anew")
}

// records checks a records file.
func (v *verifier) records(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		v.result(path, "", err, "make it readable")
		return
	}
	audit := results.CheckFile(path, b)
	what := fmt.Sprintf("records, %s, %s", plural(audit.Lines, "line"), plural(audit.Done, "complete cell"))
	if audit.Torn {
		what += "; the last line is cut short, which the next run mends"
	}
	if audit.Unfinished > 0 {
		what += fmt.Sprintf("; %s of unfinished cells, which the next run takes out", plural(audit.Unfinished, "value"))
	}
	v.result(path, what, errors.Join(audit.Faults...), "take the lines out, or measure again with another -o FILE")
}

// progress tells every few seconds how far a large thing is.
func (v *verifier) progress(path string) stage.Progress {
	return func(done, total int64) {
		if v.quiet || v.app.progress == "none" || time.Since(v.said) < 2*time.Second {
			return
		}
		v.said = time.Now()
		fmt.Fprintf(v.streams.err, "%s: %d of %d bytes read\n", path, done, total)
	}
}
