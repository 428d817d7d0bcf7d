package results

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A State is what an earlier run left in a records file.
type State struct {
	Records []Record        // what is kept, in order
	Done    map[Cell]Record // the last done line of each complete cell
	Dropped int             // lines taken out of the file
	Torn    bool            // the last line was cut short
}

// Resume makes the records file at path ready to be appended to and says what
// is done. Taken out are: a torn last line; done lines that keep refuses (nil
// keeps all; a caller compares Key, or wants all cells of a timing suite or
// none) or whose values are not all there; the values of cells that are not
// done; failure lines that keep refuses (nil refuses them all), since what
// failed is tried again; and case, recipe and run lines that nothing kept
// refers to. If anything is taken out, the file is
// written anew beside the old one and renamed, so that a crash leaves one of
// the two. A file that does not exist is an empty one.
func Resume(path string, keep func(doneOrFailure Record) bool) (*State, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Done: map[Cell]Record{}}, nil
	}
	if err != nil {
		return nil, err
	}
	lines, torn, err := parseLines(path, b)
	if err != nil {
		return nil, err
	}
	kept, done := sift(lines, keep)
	st := &State{Done: done, Torn: torn, Dropped: len(lines) - len(kept)}
	var out bytes.Buffer
	for _, l := range kept {
		st.Records = append(st.Records, l.rec)
		out.Write(l.text)
		out.WriteByte('\n')
	}
	if bytes.Equal(out.Bytes(), b) {
		return st, nil
	}
	return st, replace(path, out.Bytes())
}

// cellRun is a cell as one run measured it.
type cellRun struct {
	Cell
	run string
}

// sift returns the lines that Resume keeps, and the last done line per cell.
func sift(lines []line, keep func(Record) bool) ([]line, map[Cell]Record) {
	found := make(map[cellRun]int)
	for _, l := range lines {
		if l.rec.Kind == KindValue {
			found[cellRun{l.rec.Cell(), l.rec.Run}]++
		}
	}
	// used holds every hash and run that a kept line refers to.
	used := make(map[string]bool)
	whole := make(map[cellRun]bool)
	done := make(map[Cell]Record)
	for _, l := range lines {
		c := cellRun{l.rec.Cell(), l.rec.Run}
		if l.rec.Kind == KindDone && l.rec.Values == found[c] && (keep == nil || keep(l.rec)) {
			whole[c], done[l.rec.Cell()] = true, l.rec
			used["case "+c.Scenario+" "+c.Case] = true
		}
		if l.rec.Kind == KindFailure && keep != nil && keep(l.rec) {
			used["case "+c.Scenario+" "+c.Case] = true
		}
	}
	stays := func(r Record) bool {
		switch r.Kind {
		case KindFailure:
			return keep != nil && keep(r)
		case KindValue, KindDone:
			return whole[cellRun{r.Cell(), r.Run}]
		case KindCase:
			return used["case "+r.Scenario+" "+r.Case]
		case KindRecipe:
			return used["recipe "+r.Recipe] && r.Recipe != "" || used["exec "+r.Exec] && r.Exec != ""
		case KindRun:
			return used["run "+r.Run]
		}
		return false
	}
	for _, l := range lines {
		if k := l.rec.Kind; k != KindRun && k != KindRecipe && stays(l.rec) {
			used["run "+l.rec.Run], used["recipe "+l.rec.Recipe], used["exec "+l.rec.Exec] = true, true, true
		}
	}
	var kept []line
	for _, l := range lines {
		if stays(l.rec) {
			kept = append(kept, l)
		}
	}
	return kept, done
}

// replace gives the file at path the content b, by way of a file beside it.
func replace(path string, b []byte) (err error) {
	dir, prefix := filepath.Dir(path), filepath.Base(path)+".tmp-"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // of a process that was killed while it did this
		if strings.HasPrefix(e.Name(), prefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	n, err := f.Write(b)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: wrote %d of %d bytes: %w", f.Name(), n, len(b), err), f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
