package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/results/table"
	"github.com/sketchbench/sketchbench/scenarios"
)

// formats names the renderings of tables, in the order of the help.
var formats = []string{"text", "md", "csv", "tex", "json"}

// renderers by the name of their format. Only text folds to a width.
var renderers = map[string]func(w io.Writer, t []table.Table, width int) error{
	"text": table.Text,
	"md":   func(w io.Writer, t []table.Table, _ int) error { return table.Markdown(w, t) },
	"csv":  func(w io.Writer, t []table.Table, _ int) error { return table.CSV(w, t) },
	"tex":  func(w io.Writer, t []table.Table, _ int) error { return table.LaTeX(w, t) },
	"json": func(w io.Writer, t []table.Table, _ int) error { return table.JSON(w, t) },
}

// An output is one rendering of the tables; an empty path is standard output.
type output struct{ format, path string }

// parseOutputs reads the values of --format, FORMAT or FORMAT=FILE, and of -o, the
// file of the one without. It adds what is wrong to faults. inputs are files
// that must not be overwritten.
func parseOutputs(values []string, path string, inputs []string, faults *[]string) []output {
	fault := func(format string, args ...any) { *faults = append(*faults, fmt.Sprintf(format, args...)) }
	var outs []output
	var bare []string
	for _, v := range values {
		name, file, toFile := strings.Cut(v, "=")
		if _, ok := renderers[name]; !ok {
			fault("--format %s, want %s%s", v, orList(formats), scenarios.DidYouMean(name, formats))
		}
		if toFile && file == "" {
			fault("--format %s, want a file after =", v)
		}
		if !toFile {
			if bare = append(bare, v); len(bare) > 1 {
				continue
			}
			file = path
		}
		outs = append(outs, output{name, file})
	}
	if len(bare) > 1 {
		fault("--format %s: only one may go without =FILE", strings.Join(bare, ", "))
	}
	if len(bare) == 0 && path != "" {
		fault("-o %s: every --format names a file of its own", path)
	}
	for i, o := range outs {
		same := func(p string) bool { return p != "" && o.path != "" && filepath.Clean(p) == filepath.Clean(o.path) }
		if slices.ContainsFunc(outs[:i], func(p output) bool { return same(p.path) }) {
			fault("%s is to be written twice", o.path)
		}
		if slices.ContainsFunc(inputs, same) {
			fault("%s is a records file: it would be overwritten", o.path)
		}
	}
	return outs
}

// orList returns "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// write renders tables in every format, then writes the files, then standard output.
func (a *app) write(tables []table.Table, outs []output) error {
	var files []file
	var printed bytes.Buffer
	for _, o := range outs {
		var b bytes.Buffer
		w, columns := &b, 0
		if o.path == "" {
			w, columns = &printed, width(a.out)
		}
		if err := renderers[o.format](w, tables, columns); err != nil {
			return err
		}
		if o.path != "" {
			files = append(files, file{o.path, b.Bytes()})
		}
	}
	if err := writeFiles(files...); err != nil {
		return err
	}
	_, err := a.out.Write(printed.Bytes())
	return err
}

// A file is what is to stand at a path.
type file struct {
	path string
	data []byte
}

// writeFiles writes all files under temporary names and renames them when all are there, so
// that a failure leaves what was.
func writeFiles(files ...file) (err error) {
	temporary := make([]string, 0, len(files))
	defer func() {
		for _, name := range temporary {
			if e := os.Remove(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}()
	for _, f := range files {
		t, err := os.CreateTemp(filepath.Dir(f.path), ".tmp-"+filepath.Base(f.path)+"-*")
		if err != nil {
			return cannotWrite(f.path, err)
		}
		temporary = append(temporary, t.Name())
		_, err = t.Write(f.data)
		if err := errors.Join(err, t.Chmod(0o644), t.Sync(), t.Close()); err != nil {
			return cannotWrite(f.path, err)
		}
	}
	for i, f := range files {
		if err := os.Rename(temporary[i], f.path); err != nil {
			return cannotWrite(f.path, err)
		}
	}
	return nil
}

// cannotWrite names the file that was wanted, not the temporary one.
func cannotWrite(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
