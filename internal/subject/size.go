package subject

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/model"
)

// OptionsFor returns the options that apply to a matrix: the last override
// whose pattern fits, else the case's own, fitted to the target if there is
// one. The error says that nothing fits; CheckModel tells it before any work.
func (c *Case) OptionsFor(s model.LinearSpec) (any, error) {
	o := optionsFor(c.Options, c.Overrides, s.Name)
	if c.Target == nil {
		return o, nil
	}
	return c.fit(o, s.Out, s.In, c.TargetBytes(s))
}

// fit sets the knobs of options to at most so many bytes.
func (c *Case) fit(o any, out, in int, target int64) (any, error) {
	fitted, err := c.Method.Fit(o, out, in, target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Target.field(), err)
	}
	return fitted, nil
}

// field is the field of a scenario that asks for the target.
func (t *Target) field() string {
	if t.Method != nil {
		return "match"
	}
	return "bytes"
}

// SpreadTarget lets the matrices of a model share their bytes, for a target of
// the whole model: the targets of all are raised by one factor, the largest at
// which the settings that fit stay within the sum. Every matrix then has at
// least what it would have had alone.
func (c *Case) SpreadTarget(cfg model.Config) {
	if c.Target == nil || !c.Target.WholeModel {
		return
	}
	c.Target.scale = 0
	var covered []model.LinearSpec
	var total int64
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			if c.Covers(s.Name) {
				covered = append(covered, s)
				total += c.TargetBytes(s)
			}
		}
	}
	fits := func(scale float64) bool {
		c.Target.scale = scale
		var sum int64
		for _, s := range covered {
			sum += c.StoredBytes(s)
		}
		return sum <= total
	}
	low, high := 1.0, 2.0
	for high < 64 && fits(high) {
		low, high = high, 2*high
	}
	for range 30 {
		if mid := (low + high) / 2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	c.Target.scale = low
}

// bytes returns the target of an out×in matrix by itself, of no name if tensor
// is "".
func (t *Target) bytes(tensor string, out, in int) int64 {
	n := int64(math.Floor(t.Bits * float64(out) * float64(in) / 8))
	switch {
	case t.Source != nil:
		l, _ := t.Source.files.Linear(tensor)
		return l.Billed()
	case t.Method != nil:
		n = t.Method.StoredBytes(optionsFor(t.Options, t.Overrides, tensor), out, in)
	}
	return n
}

// TargetBytes returns the bytes that a matrix may take, 0 without a target.
func (c *Case) TargetBytes(s model.LinearSpec) int64 {
	if c.Target == nil {
		return 0
	}
	n := c.Target.bytes(s.Name, s.Out, s.In)
	if c.Target.scale > 1 {
		n = int64(float64(n) * c.Target.scale)
	}
	return n
}

// NominalBits returns the bits per weight that the case aims at for a matrix;
// with a target of the whole model, those of its share. Options that name a
// size and no bits, such as a rank, aim at what they store.
func (c *Case) NominalBits(s model.LinearSpec) float64 {
	if c.Target != nil {
		return 8 * float64(c.Target.bytes(s.Name, s.Out, s.In)) / (float64(s.Out) * float64(s.In))
	}
	if c.Source != nil {
		l, _ := c.Source.files.Linear(s.Name)
		return l.Bits
	}
	if n := c.Method.Nominal(optionsFor(c.Options, c.Overrides, s.Name)); n > 0 {
		return n
	}
	return 8 * float64(c.StoredBytes(s)) / (float64(s.Out) * float64(s.In))
}

// StoredBytes returns the bytes that the case stores for a matrix that it
// covers, 0 if the matrix is too small for the case; with a target they are at
// most that. Where they depend on the weights, they are the most that it can be.
func (c *Case) StoredBytes(s model.LinearSpec) int64 {
	if c.Source != nil {
		l, _ := c.Source.files.Linear(s.Name)
		return l.Billed()
	}
	o, err := c.OptionsFor(s)
	if err != nil {
		return 0
	}
	return c.Method.StoredBytes(o, s.Out, s.In)
}

// CheckModel returns the faults of the case on a model's linear layers: one
// for each distinct message. With a target, its method's faults count too.
func (c *Case) CheckModel(cfg model.Config) []error {
	var errs []error
	seen := map[string]bool{}
	covered := false
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			if !c.Covers(s.Name) {
				continue
			}
			covered = true
			if err := c.checkMatrix(s); err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				errs = append(errs, err)
			}
		}
	}
	if inputs := c.Method.BaseInputs; inputs != nil {
		for _, o := range c.Overrides {
			if inputs(o.Options) != inputs(c.Options) {
				errs = append(errs, fmt.Errorf("overrides of %s want the inputs of another model than the case: they are gathered in one walk", o.Tensors))
			}
		}
	}
	if !covered && !c.Method.Dense() {
		errs = append(errs, errNothing)
	}
	return errs
}

// LeastBits returns the bits per weight, rounded up to three digits, that a
// target would have to give for every matrix of a model to fit, and false if
// no target of at most limit would do.
func (c *Case) LeastBits(cfg model.Config, limit float64) (float64, bool) {
	fits := func(bits float64) bool {
		d, t := *c, *c.Target
		t.Bits, d.Target = bits, &t
		d.SpreadTarget(cfg)
		return !slices.ContainsFunc(d.CheckModel(cfg), func(err error) bool { return strings.HasPrefix(err.Error(), t.field()+":") })
	}
	low, high := 0.0, limit
	if !fits(high) {
		return 0, false
	}
	for high-low > 1e-4*high {
		if mid := (low + high) / 2; fits(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	unit := math.Pow(10, math.Floor(math.Log10(high))-2)
	return math.Ceil(high/unit) * unit, true
}

// checkMatrix returns the fault of the case on one matrix, its target's first.
func (c *Case) checkMatrix(s model.LinearSpec) error {
	if c.Source != nil {
		return nil // compared with the model when it was opened
	}
	if t := c.Target; t != nil && t.Method != nil && t.Source == nil {
		if err := t.Method.CheckShape(optionsFor(t.Options, t.Overrides, s.Name), s.Out, s.In); err != nil {
			return err
		}
	}
	o, err := c.OptionsFor(s)
	if err != nil {
		return err
	}
	if err := c.Method.CheckShape(o, s.Out, s.In); err != nil {
		return err
	}
	if cal := c.Calibration; cal != nil && c.Method.Tokens != nil {
		if need, have := c.Method.Tokens(o, s.Out, s.In), cal.Sequences*cal.Length; have < need {
			return fmt.Errorf("%d×%d tokens of calibration are fewer than the %d that rank %d of a %d×%d matrix needs: raise sequences or length",
				cal.Sequences, cal.Length, need, need, s.Out, s.In)
		}
	}
	return nil
}

// shapeOptions returns the options for an out×in matrix without a name.
func (c *Case) shapeOptions(out, in int) (any, error) {
	if c.Target == nil {
		return c.Options, nil
	}
	return c.fit(c.Options, out, in, c.Target.bytes("", out, in))
}

// CheckShape returns the fault, if any, of the case on an out×in matrix
// without a name. With a target, its method's fault counts too.
func (c *Case) CheckShape(out, in int) error {
	if t := c.Target; t != nil && t.Method != nil {
		if err := t.Method.CheckShape(t.Options, out, in); err != nil {
			return fmt.Errorf("match: %s: %w", t.Method.Name, err)
		}
	}
	o, err := c.shapeOptions(out, in)
	if err != nil {
		return err
	}
	return c.Method.CheckShape(o, out, in)
}
