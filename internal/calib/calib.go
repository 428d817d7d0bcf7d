// Package calib walks a model layer by layer over calibration text and hands
// out the moments of each linear layer's inputs, true-sequentially:
// what a caller made of earlier layers is what later ones see. It knows no
// compression method and writes no file.
package calib

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// A Group is the linear layers of one decoder block that share an input, and
// the moments of that input over all calibration tokens.
type Group struct {
	Layer   int
	Input   model.Input
	Linears []model.LinearSpec
	// H is (2/T)·XᵀX, d×d, both triangles, d the input width; nil with
	// Options.MeanSquareOnly. The callback may overwrite it, and must not
	// keep it: the next group gets the same memory.
	H []float32
	// MeanSquare is mean(x²) of every input channel, MeanAbs mean |x|, both
	// summed in float64.
	MeanSquare, MeanAbs []float64
	// Tokens is T, the number of rows of X.
	Tokens int
}

// Options of a walk.
type Options struct {
	// MeanSquareOnly leaves H out: no product and no d×d memory.
	MeanSquareOnly bool
	// Base shows every group the inputs of the uncompressed model: what the
	// callback returns is checked and then dropped.
	Base bool
	// Chunk is the number of positions that go through a layer together; 0
	// means engine.DefaultChunk.
	Chunk int
	// Progress, if set, is called after every group with the number of groups
	// done and of all.
	Progress func(done, total int)
}

// Walk runs windows (token ids, each from an empty context) through the model
// and calls f for every group in the order q,k,v; o; gate,up; down of every
// block (methods.md 2.2). What f returns, by tensor name, takes the place of
// the group's matrices for the rest of the walk; a matrix that f leaves out
// or returns as nil stays as w has it.
//
// In memory are one block's matrices, the hidden states of all tokens
// (tokens×HiddenSize float32), the activations of one chunk, the keys and
// values of the longest window for one block, and twice d×d float32 for the
// widest input: the device's sum and H. To stay within that, a block's
// attention is computed twice and its gate and up products twice, once to
// measure and once to go on; not so with Base and MeanSquareOnly together,
// which need one pass.
//
// XᵀX is summed in float32, chunk by chunk: B chunks cost a relative error of
// at most B·2⁻²⁴ on top of one chunk's product, relative to Σ|x_i||x_j|, which
// for the diagonal is the entry itself: 8e-6 for 128 windows of 512 tokens.
// Damping adds 1e-2 or more of the mean diagonal.
//
// The error wraps engine.ErrDiverged if an input is not finite.
func Walk(ctx context.Context, dev kernels.Device, cfg model.Config, w engine.Weights, windows [][]int, opts Options,
	f func(Group) (map[string]packed.Weight, error)) error {
	if opts.Chunk == 0 {
		opts.Chunk = engine.DefaultChunk
	}
	longest, err := checkWindows(cfg, windows, opts)
	if err != nil {
		return err
	}
	k := &walk{dev: dev, cfg: cfg, weights: w, windows: windows, opts: opts, f: f}
	if err := k.allocate(min(opts.Chunk, longest), longest); err != nil {
		return err
	}
	if err := k.embed(ctx); err != nil {
		return err
	}
	for index := range cfg.Layers {
		if err := k.block(ctx, index); err != nil {
			return fmt.Errorf("layer %d: %w", index, err)
		}
	}
	return nil
}

// checkWindows returns the length of the longest window.
func checkWindows(cfg model.Config, windows [][]int, opts Options) (int, error) {
	if opts.Chunk < 0 {
		return 0, fmt.Errorf("chunks of %d positions, want at least 1", opts.Chunk)
	}
	longest := 0
	for i, win := range windows {
		if len(win) == 0 || len(win) > cfg.MaxPositions {
			return 0, fmt.Errorf("calibration window %d: %d tokens, want 1 to max_position_embeddings %d", i, len(win), cfg.MaxPositions)
		}
		for j, id := range win {
			if id < 0 || id >= cfg.Vocab {
				return 0, fmt.Errorf("calibration window %d: token %d: id %d, want 0 to %d", i, j, id, cfg.Vocab-1)
			}
		}
		longest = max(longest, len(win))
	}
	if longest == 0 {
		return 0, fmt.Errorf("no calibration windows")
	}
	return longest, nil
}

// walk is the state of one Walk.
type walk struct {
	dev     kernels.Device
	cfg     model.Config
	weights engine.Weights
	windows [][]int
	opts    Options
	f       func(Group) (map[string]packed.Weight, error)

	tokens int            // of all windows
	hidden kernels.Buffer // tokens×HiddenSize, windows one after the other
	ws     *engine.Workspace
	cache  engine.Cache
	gram   kernels.Buffer // d×d of the widest input
	h      []float32      // the same on the host
	rows   []float32      // a chunk of inputs on the host
	done   int            // groups
}

func (k *walk) allocate(chunk, longest int) error {
	for _, win := range k.windows {
		k.tokens += len(win)
	}
	var err error
	if k.ws, err = engine.NewWorkspace(k.dev, k.cfg, chunk); err != nil {
		return err
	}
	if k.cache, err = engine.NewCache(k.dev, k.cfg, longest); err != nil {
		return err
	}
	if k.hidden, err = k.dev.NewBuffer(k.tokens * k.cfg.HiddenSize); err != nil {
		return fmt.Errorf("hidden states of %d tokens: %w", k.tokens, err)
	}
	widest := max(k.cfg.HiddenSize, k.cfg.QueryDim(), k.cfg.Intermediate)
	k.rows = make([]float32, chunk*widest)
	if k.opts.MeanSquareOnly {
		return nil
	}
	if k.gram, err = k.dev.NewBuffer(widest * widest); err != nil {
		return fmt.Errorf("second moments of %d channels: %w", widest, err)
	}
	k.h = make([]float32, widest*widest)
	return nil
}

// embed fills the hidden states with the tokens' embeddings.
func (k *walk) embed(ctx context.Context) error {
	p, err := k.weights.Weight(model.EmbeddingName)
	if err != nil {
		return err
	}
	m, err := k.dev.Upload(p)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", model.EmbeddingName, err)
	}
	if out, in := m.Dims(); out != k.cfg.Vocab || in != k.cfg.HiddenSize {
		return fmt.Errorf("tensor %s: shape [%d %d], want [%d %d]", model.EmbeddingName, out, in, k.cfg.Vocab, k.cfg.HiddenSize)
	}
	return k.each(ctx, func(c chunk) { k.dev.Embed(c.x, c.tokens, m) })
}

// A chunk is a run of positions of one window.
type chunk struct {
	tokens []int
	pos    int            // of its first token in the window
	x      kernels.Buffer // its hidden states
}

// each calls visit for all chunks of all windows in order.
func (k *walk) each(ctx context.Context, visit func(chunk)) error {
	d, row := k.cfg.HiddenSize, 0
	for _, win := range k.windows {
		for pos := 0; pos < len(win); pos += k.ws.Chunk() {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := chunk{tokens: win[pos:min(pos+k.ws.Chunk(), len(win))], pos: pos}
			c.x = k.hidden.Slice(row*d, (row+len(c.tokens))*d)
			visit(c)
			row += len(c.tokens)
		}
	}
	return k.dev.Sync()
}

// block takes the hidden states through one block and calls f for its groups.
func (k *walk) block(ctx context.Context, index int) error {
	layer, err := engine.NewLayer(k.dev, k.cfg, index, k.weights)
	if err != nil {
		return err
	}
	if k.opts.Base && k.opts.MeanSquareOnly {
		return k.blockAtOnce(ctx, layer, index)
	}
	return k.blockInTurn(ctx, layer, index)
}

// blockInTurn measures and replaces the groups one after the other. The hidden
// states go through the attention half after o, through the MLP after down.
func (k *walk) blockInTurn(ctx context.Context, layer *engine.Layer, index int) error {
	for _, in := range model.Inputs() {
		g := k.newGroup(index, in)
		made, err := k.measure(ctx, layer, &g)
		if err == nil {
			err = k.set(layer, g, made)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
		switch {
		case in == model.InputO:
			err = k.each(ctx, func(c chunk) { layer.AddAttention(k.ws, c.x, k.cache, len(c.tokens), c.pos) })
		case in == model.InputDown && index < k.cfg.Layers-1:
			err = k.each(ctx, func(c chunk) { layer.AddMLP(k.ws, c.x, len(c.tokens)) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// blockAtOnce runs an uncompressed block once and measures all inputs on the
// way, which takes half the time of blockInTurn and gives the same numbers.
func (k *walk) blockAtOnce(ctx context.Context, layer *engine.Layer, index int) error {
	var groups []Group
	for _, in := range model.Inputs() {
		g := k.newGroup(index, in)
		if err := k.set(layer, g, nil); err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
		groups = append(groups, g)
	}
	k.ws.SetObserver(func(names []string, x kernels.Buffer, t int) {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Linears[0].Name == names[0] })
		k.add(groups[i], x, t)
	})
	err := k.each(ctx, func(c chunk) {
		layer.AddAttention(k.ws, c.x, k.cache, len(c.tokens), c.pos)
		layer.AddMLP(k.ws, c.x, len(c.tokens))
	})
	k.ws.SetObserver(nil)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := g.divide(); err != nil {
			return fmt.Errorf("%s: %w", g.Input, err)
		}
		if _, err := k.call(g); err != nil {
			return fmt.Errorf("%s: %w", g.Input, err)
		}
	}
	return nil
}

func (k *walk) newGroup(index int, in model.Input) Group {
	g := Group{Layer: index, Input: in, Linears: k.cfg.Group(index, in), Tokens: k.tokens}
	g.MeanSquare = make([]float64, g.Linears[0].In)
	g.MeanAbs = make([]float64, g.Linears[0].In)
	return g
}

// measure fills the moments of g and calls f.
func (k *walk) measure(ctx context.Context, layer *engine.Layer, g *Group) (map[string]packed.Weight, error) {
	d := g.Linears[0].In
	var gram kernels.Buffer
	if !k.opts.MeanSquareOnly {
		gram, g.H = k.gram.Slice(0, d*d), k.h[:d*d]
		clear(g.H)
		k.dev.Write(gram, g.H)
	}
	err := k.each(ctx, func(c chunk) {
		t := len(c.tokens)
		x := layer.Input(k.ws, g.Input, c.x, k.cache, t, c.pos)
		if gram != nil {
			k.dev.Gram(gram, x, t, d)
		}
		k.add(*g, x, t)
	})
	if err != nil {
		return nil, err
	}
	if err := g.divide(); err != nil {
		return nil, err
	}
	if gram != nil {
		k.dev.Read(g.H, gram)
		scale := 2 / float32(k.tokens)
		for i := range g.H {
			g.H[i] *= scale
		}
	}
	return k.call(*g)
}

// add adds the squares and magnitudes of X (t×d), channel by channel, to
// g.MeanSquare and g.MeanAbs.
func (k *walk) add(g Group, x kernels.Buffer, t int) {
	rows := k.rows[:t*len(g.MeanSquare)]
	k.dev.Read(rows, x)
	for ; len(rows) > 0; rows = rows[len(g.MeanSquare):] {
		for j, v := range rows[:len(g.MeanSquare)] {
			g.MeanSquare[j] += float64(v) * float64(v)
			g.MeanAbs[j] += math.Abs(float64(v))
		}
	}
}

// divide divides the sums in MeanSquare and MeanAbs by the number of tokens.
func (g Group) divide() error {
	for j := range g.MeanSquare {
		g.MeanSquare[j] /= float64(g.Tokens)
		g.MeanAbs[j] /= float64(g.Tokens)
		if m := g.MeanSquare[j]; math.IsNaN(m) || math.IsInf(m, 0) {
			return fmt.Errorf("input channel %d: mean square %v: %w", j, m, engine.ErrDiverged)
		}
	}
	return nil
}

// call hands g to f and reports progress.
func (k *walk) call(g Group) (map[string]packed.Weight, error) {
	made, err := k.f(g)
	if err != nil {
		return nil, err
	}
	if err := checkMade(g, made); err != nil {
		return nil, err
	}
	k.done++
	if k.opts.Progress != nil {
		k.opts.Progress(k.done, k.cfg.Layers*len(model.Inputs()))
	}
	return made, nil
}

// set gives the layer the group's matrices: those that were made, or with
// Base and where there is none those of the model.
func (k *walk) set(layer *engine.Layer, g Group, made map[string]packed.Weight) error {
	for _, spec := range g.Linears {
		p := made[spec.Name]
		if p == nil || k.opts.Base {
			var err error
			if p, err = k.weights.Weight(spec.Name); err != nil {
				return err
			}
		}
		if _, err := layer.Set(k.dev, spec, p); err != nil {
			return err
		}
	}
	return nil
}

// checkMade refuses weights for tensors outside the group, and of other
// dimensions.
func checkMade(g Group, made map[string]packed.Weight) error {
	for name, p := range made {
		i := slices.IndexFunc(g.Linears, func(s model.LinearSpec) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("compressed tensor %s: not of this group", name)
		}
		if p == nil {
			continue
		}
		if out, in := p.Dims(); out != g.Linears[i].Out || in != g.Linears[i].In {
			return fmt.Errorf("compressed tensor %s: shape [%d %d], want [%d %d]", name, out, in, g.Linears[i].Out, g.Linears[i].In)
		}
	}
	return nil
}
