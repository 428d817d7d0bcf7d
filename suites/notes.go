package suites

import (
	"maps"
	"slices"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites/approx"
)

// profile writes what a compressed matrix lost of its signs and by zeros, and
// adds it to the whole.
func (m *approxRun) profile(spec model.LinearSpec, p approx.Profile, out Out) error {
	m.whole.Add(p)
	weights := float64(spec.Out) * float64(spec.In)
	return out.emit(
		results.Record{Metric: "zeroed_sq", Item: spec.Name, Value: p.ZeroedSq, Weight: weights},
		results.Record{Metric: "sign_flips", Item: spec.Name, Value: float64(p.Flips), Weight: weights})
}

// emitProfile writes the errors by decile of |w| over all compressed matrices.
func (m *approxRun) emitProfile(out Out) error {
	if m.whole == (approx.Profile{}) {
		return nil // nothing is compressed
	}
	for d, x := range m.whole.Decile {
		err := out.emit(
			results.Record{Metric: "decile_err_sq", Value: x.ErrSq, Sample: d},
			results.Record{Metric: "decile_ref_sq", Value: x.RefSq, Sample: d})
		if err != nil {
			return err
		}
	}
	return nil
}

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
