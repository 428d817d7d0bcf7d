package subject

import (
	"errors"
	"time"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// visit calls f for all groups of linear layers, with the moments that the
// method asks for; with base, those of the uncompressed model.
func (b *builder) visit(base bool, f func(calib.Group) (map[string]packed.Weight, error)) error {
	defer func() { b.visited++ }()
	if b.c.Method.Moments == NoMoments {
		cfg := b.env.Model.Config
		for layer := range cfg.Layers {
			if _, err := f(calib.Group{Layer: layer, Linears: cfg.Linears(layer)}); err != nil {
				return err
			}
			b.tell(StageCompress, layer+1, cfg.Layers)
		}
		return nil
	}
	start, compressing := time.Now(), b.s.Seconds[StageCompress]
	err := b.walk(base, f)
	b.s.Seconds[StageCalibrate] += time.Since(start) - (b.s.Seconds[StageCompress] - compressing)
	var stage *StageError
	if err != nil && !errors.As(err, &stage) && b.ctx.Err() == nil {
		err = &StageError{StageCalibrate, err}
	}
	return err
}

// tell reports progress of one of the visits that there are.
func (b *builder) tell(stage Stage, done, total int) {
	b.progress(stage, b.visited*total+done, b.visits*total)
}

// walk calls f for all groups with moments from the calibration text.
func (b *builder) walk(base bool, f func(calib.Group) (map[string]packed.Weight, error)) error {
	if base && b.c.Method.Moments == SecondMoments {
		done := 0
		found, err := b.env.cachedMoments(b.ctx, *b.c.Calibration, func(g calib.Group) error {
			_, err := f(g)
			done++
			b.tell(StageCalibrate, done, b.env.Model.Config.Layers*len(model.Inputs()))
			return err
		})
		if found {
			return err
		}
	}
	windows, err := b.c.Calibration.Windows(b.env.Model)
	if err != nil {
		return err
	}
	opts := calib.Options{
		MeanSquareOnly: b.c.Method.Moments == MeanSquares,
		Base:           base,
		Progress:       func(done, total int) { b.tell(StageCalibrate, done, total) },
	}
	return calib.Walk(b.ctx, b.env.Device, b.env.Model.Config, b.env.Model.Weights(), windows, opts, f)
}
