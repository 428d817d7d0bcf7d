package subject

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// NotesFile holds the diagnostics of an artefact's compression, beside it: it
// is no part of the artefact and of its hash.
const NotesFile = "diagnostics.json"

// notes are diagnostics by tensor and metric.
type notes map[string]map[string]float64

func (n *notes) add(tensor, metric string, value float64) {
	if *n == nil {
		*n = notes{}
	}
	if (*n)[tensor] == nil {
		(*n)[tensor] = map[string]float64{}
	}
	(*n)[tensor][metric] = value
}

// write stores notes in an artefact's folder; none are no file.
func (n notes) write(dir string) error {
	if len(n) == 0 {
		return nil
	}
	b, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return fmt.Errorf("diagnostics: %w", err) // NaN and infinities have no JSON
	}
	return os.WriteFile(filepath.Join(dir, NotesFile), append(b, '\n'), 0o644)
}

// Notes returns what the method said of each matrix while it compressed:
// values by tensor and metric. A method that says nothing has none.
func (s *Subject) Notes() (map[string]map[string]float64, error) {
	if s.dir == "" {
		return nil, nil
	}
	path := filepath.Join(s.dir, NotesFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var n notes
	if err := json.Unmarshal(b, &n); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}
