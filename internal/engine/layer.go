package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// An Observer is shown the input of linear layers: once for every group of
// layers that share it, names being their tensors in the order of
// model.Config.Linears (q, k, v; o; gate, up; down). X is t×in, the rows of
// successive calls are successive positions. X must not be changed, and holds
// other values after the call.
type Observer func(names []string, x kernels.Buffer, t int)

// A Workspace holds the activations of up to Chunk positions, for layers that
// run one after the other.
type Workspace struct {
	dev      kernels.Device
	cfg      model.Config
	chunk    int
	invFreq  []float64
	observer Observer

	norm     kernels.Buffer // chunk×HiddenSize; also the output of o and down
	q, att   kernels.Buffer // chunk×QueryDim
	gate, up kernels.Buffer // chunk×Intermediate
}

// NewWorkspace allocates the activations of chunk positions.
func NewWorkspace(dev kernels.Device, cfg model.Config, chunk int) (*Workspace, error) {
	ws := &Workspace{dev: dev, cfg: cfg, chunk: chunk, invFreq: inverseFrequencies(cfg)}
	for _, b := range []struct {
		to    *kernels.Buffer
		width int
	}{
		{&ws.norm, cfg.HiddenSize},
		{&ws.q, cfg.QueryDim()}, {&ws.att, cfg.QueryDim()},
		{&ws.gate, cfg.Intermediate}, {&ws.up, cfg.Intermediate},
	} {
		buf, err := dev.NewBuffer(chunk * b.width)
		if err != nil {
			return nil, fmt.Errorf("activations of %d positions: %w", chunk, err)
		}
		*b.to = buf
	}
	return ws, nil
}

// Chunk returns the largest number of positions that fit.
func (ws *Workspace) Chunk() int { return ws.chunk }

// SetObserver makes f see the inputs of the linear layers from now on; nil
// ends that.
func (ws *Workspace) SetObserver(f Observer) { ws.observer = f }

// bytes returns the size of the activations.
func (ws *Workspace) bytes() int64 {
	c := ws.cfg
	return 4 * int64(ws.chunk) * int64(c.HiddenSize+2*c.QueryDim()+2*c.Intermediate)
}

// inverseFrequencies returns theta^(-2j/HeadDim) for j < HeadDim/2.
func inverseFrequencies(cfg model.Config) []float64 {
	f := make([]float64, cfg.HeadDim/2)
	for j := range f {
		f[j] = math.Pow(cfg.RopeTheta, -2*float64(j)/float64(cfg.HeadDim))
	}
	return f
}

// A Cache holds the keys and values of one layer: rows of KVDim.
type Cache struct{ K, V kernels.Buffer }

// NewCache allocates keys and values of the given number of positions.
func NewCache(dev kernels.Device, cfg model.Config, positions int) (Cache, error) {
	var c Cache
	var err error
	if c.K, err = dev.NewBuffer(positions * cfg.KVDim()); err == nil {
		c.V, err = dev.NewBuffer(positions * cfg.KVDim())
	}
	if err != nil {
		return Cache{}, fmt.Errorf("keys and values of %d positions: %w", positions, err)
	}
	return c, nil
}

// A Layer is one decoder block on a device. Its matrices are set one by one;
// a method needs only those that it multiplies by.
type Layer struct {
	cfg       model.Config
	inputNorm kernels.Buffer // gain before attention
	postNorm  kernels.Buffer // gain before the MLP
	groups    map[model.Input]*group
}

// A group is the linear layers that share an input, in the order of
// model.Config.Linears.
type group struct {
	names    []string
	matrices []kernels.Matrix // nil where Set has not been called
}

// NewLayer uploads the norms of block index; the matrices are left to Set.
func NewLayer(dev kernels.Device, cfg model.Config, index int, w Weights) (*Layer, error) {
	l := &Layer{cfg: cfg, groups: make(map[model.Input]*group)}
	for _, in := range model.Inputs() {
		g := &group{}
		for _, s := range cfg.Group(index, in) {
			g.names = append(g.names, s.Name)
		}
		g.matrices = make([]kernels.Matrix, len(g.names))
		l.groups[in] = g
	}
	var err error
	if l.inputNorm, err = uploadVector(dev, w, model.InputNormName(index), cfg.HiddenSize); err != nil {
		return nil, err
	}
	l.postNorm, err = uploadVector(dev, w, model.PostNormName(index), cfg.HiddenSize)
	return l, err
}

// Set uploads w as the matrix of spec, in place of an earlier one, and
// returns it.
func (l *Layer) Set(dev kernels.Device, spec model.LinearSpec, w packed.Weight) (kernels.Matrix, error) {
	m, err := upload(dev, spec.Name, w, spec.Out, spec.In)
	if err != nil {
		return nil, err
	}
	g := l.groups[spec.Input]
	g.matrices[slices.Index(g.names, spec.Name)] = m
	return m, nil
}

// Input computes, and shows to the observer, what the linear layers of one
// group multiply, t×in. The residual stream X (t×HiddenSize, at positions
// pos..pos+t-1) is left alone: for "qkv" and "o" it is the block's input, for
// "gateup" and "down" what AddAttention made of it. For "o", c holds the keys
// and values of positions below pos and receives those of X. The result is
// part of ws and valid until ws is used again.
func (l *Layer) Input(ws *Workspace, in model.Input, x kernels.Buffer, c Cache, t, pos int) kernels.Buffer {
	switch in {
	case model.InputQKV:
		return l.normed(ws, in, x, l.inputNorm, t)
	case model.InputO:
		return l.attention(ws, x, c, t, pos)
	case model.InputGateUp:
		return l.normed(ws, in, x, l.postNorm, t)
	case model.InputDown:
		return l.swiglu(ws, x, t)
	}
	panic("engine: no input " + string(in))
}

// AddAttention adds the attention half of the block to X (t×HiddenSize) at
// positions pos..pos+t-1, and appends their keys and values to c.
func (l *Layer) AddAttention(ws *Workspace, x kernels.Buffer, c Cache, t, pos int) {
	a := l.attention(ws, x, c, t, pos)
	l.addProduct(ws, model.InputO, x, a, t)
}

// AddMLP adds the MLP half of the block to X (t×HiddenSize).
func (l *Layer) AddMLP(ws *Workspace, x kernels.Buffer, t int) {
	a := l.swiglu(ws, x, t)
	l.addProduct(ws, model.InputDown, x, a, t)
}

func (l *Layer) normed(ws *Workspace, in model.Input, x, gain kernels.Buffer, t int) kernels.Buffer {
	h := ws.norm.Slice(0, t*l.cfg.HiddenSize)
	ws.dev.RMSNorm(h, x, gain, t, float32(l.cfg.NormEps))
	l.observe(ws, in, h, t)
	return h
}

func (l *Layer) attention(ws *Workspace, x kernels.Buffer, c Cache, t, pos int) kernels.Buffer {
	cfg, dev := l.cfg, ws.dev
	h := l.normed(ws, model.InputQKV, x, l.inputNorm, t)
	m := l.groups[model.InputQKV].matrices
	qd, kvd := cfg.QueryDim(), cfg.KVDim()
	q := ws.q.Slice(0, t*qd)
	k := c.K.Slice(pos*kvd, (pos+t)*kvd)
	v := c.V.Slice(pos*kvd, (pos+t)*kvd)
	dev.Mul(q, h, t, m[0])
	dev.Mul(k, h, t, m[1])
	dev.Mul(v, h, t, m[2])
	dev.RoPE(q, t, cfg.Heads, cfg.HeadDim, pos, ws.invFreq)
	dev.RoPE(k, t, cfg.KVHeads, cfg.HeadDim, pos, ws.invFreq)
	a := ws.att.Slice(0, t*qd)
	dev.Attention(a, q, c.K.Slice(0, (pos+t)*kvd), c.V.Slice(0, (pos+t)*kvd), t, pos, cfg.Heads, cfg.KVHeads, cfg.HeadDim)
	l.observe(ws, model.InputO, a, t)
	return a
}

func (l *Layer) swiglu(ws *Workspace, x kernels.Buffer, t int) kernels.Buffer {
	h := l.normed(ws, model.InputGateUp, x, l.postNorm, t)
	m := l.groups[model.InputGateUp].matrices
	n := t * l.cfg.Intermediate
	gate, up := ws.gate.Slice(0, n), ws.up.Slice(0, n)
	ws.dev.Mul(gate, h, t, m[0])
	ws.dev.Mul(up, h, t, m[1])
	ws.dev.SwiGLU(gate, gate, up, n)
	l.observe(ws, model.InputDown, gate, t)
	return gate
}

// addProduct adds A·Wᵀ to X, W the only matrix of its group. The norm buffer
// is free by then and takes the product.
func (l *Layer) addProduct(ws *Workspace, in model.Input, x, a kernels.Buffer, t int) {
	n := t * l.cfg.HiddenSize
	y := ws.norm.Slice(0, n)
	ws.dev.Mul(y, a, t, l.groups[in].matrices[0])
	ws.dev.Add(x, y, n)
}

func (l *Layer) observe(ws *Workspace, in model.Input, x kernels.Buffer, t int) {
	if ws.observer != nil {
		ws.observer(l.groups[in].names, x, t)
	}
}

// upload checks w's dimensions before the device gets it.
func upload(dev kernels.Device, name string, w packed.Weight, out, in int) (kernels.Matrix, error) {
	if o, i := w.Dims(); o != out || i != in {
		return nil, fmt.Errorf("tensor %s: shape [%d %d], want [%d %d]", name, o, i, out, in)
	}
	m, err := dev.Upload(w)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	return m, nil
}

func uploadVector(dev kernels.Device, w Weights, name string, n int) (kernels.Buffer, error) {
	x, err := w.Vector(name)
	if err != nil {
		return nil, err
	}
	if len(x) != n {
		return nil, fmt.Errorf("tensor %s: %d values, want %d", name, len(x), n)
	}
	b, err := dev.NewBuffer(n)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	dev.Write(b, x)
	return b, nil
}
