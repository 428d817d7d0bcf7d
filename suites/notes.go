package suites

import (
	"maps"
	"slices"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
)

// emitNotes writes what the method of a case told of each matrix.
func emitNotes(s *subject.Subject, weights func(tensor string) float64, out Out) error {
	notes, err := s.Notes()
	if err != nil {
		return err
	}
	for _, tensor := range slices.Sorted(maps.Keys(notes)) {
		for _, metric := range slices.Sorted(maps.Keys(notes[tensor])) {
			err := out.emit(results.Record{Metric: metric, Item: tensor, Value: notes[tensor][metric], Weight: weights(tensor)})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
