package plan

import "github.com/sketchbench/sketchbench/internal/subject"

// spare is what a process takes whatever the model: the program, logits of a
// block of positions, scratch of the kernels.
const spare = 200 << 20

// longContext is the longest context that the KV cache is billed for, tokens:
// recipes and prompts do not use all positions of every model.
const longContext = 8192

// MemoryBytes estimates the most memory that opening a case and running its
// quality suites takes: the stored weights and those of the uncompressed model
// that suites compare with, one layer in float32, the KV cache, and for a case
// or a suite that looks at second moments three matrices of the widest input
// and the calibration's hidden states, all float32. It errs to the high side:
// weights that are mapped from a file count in full. A suite that draws its own
// weights needs none of these, but what it says itself.
func (p *Plan) MemoryBytes(i int) int64 {
	if p.Env.Model == nil {
		return spare
	}
	var drawn int64
	for _, s := range p.Suites {
		if s.DrawsWeights() {
			drawn = max(drawn, spare+s.Cost(p.Context, s.Options).Bytes)
		}
	}
	if p.Env.Model.None() {
		return drawn
	}
	c, cfg := p.Cases[i], p.Env.Model.Config
	var base, layer, widest int64
	for _, t := range cfg.Tensors() {
		if ten, ok := p.Env.Model.Tensors.Tensor(t.Name); ok {
			base += int64(len(ten.Data))
		}
	}
	for _, l := range cfg.Linears(0) {
		layer += 4 * int64(l.Out) * int64(l.In)
		widest = max(widest, int64(l.In))
	}
	n := spare + base + p.Env.ArtefactBytes(p.Cases[i]) + layer
	n += 2 * 4 * int64(cfg.Layers) * int64(cfg.KVDim()) * int64(min(cfg.MaxPositions, longContext))
	var moments *subject.Calibration
	for _, s := range p.Suites {
		if wantsMoments(s) {
			moments = p.Context.Calibration()
		}
	}
	if c.Calibration != nil && !p.Env.Cached(c) {
		moments = c.Calibration
		n += workBytes(c, widest)
	}
	if moments != nil {
		n += 3*4*widest*widest + 4*int64(moments.Sequences)*int64(moments.Length)*int64(cfg.HiddenSize)
	}
	return max(n, drawn)
}

// workBytes is what a method holds of a d×d matrix of second moments beside the
// three that every one of them is billed for: a copy where it looks at the
// moments themselves, a root in float64 where it decomposes.
func workBytes(c *subject.Case, d int64) int64 {
	var n int64
	if c.Method.KeepsH != nil && c.Method.KeepsH(c.Options) {
		n += 4 * d * d
	}
	if c.Method.Decomposes && c.Method.Moments == subject.SecondMoments {
		n += 8 * d * d
	}
	return n
}
