// Package engine runs the forward pass of a Llama model in float32 over a
// kernels.Device: prefill, decoding with cached keys and values, greedy
// generation, logits in blocks of positions. Matrices stay in the packed
// format that they come in. One observer may watch the inputs of the linear
// layers. It neither trains nor samples, and knows no text.
package engine

import (
	"errors"
	"fmt"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/kernels"
)

// ErrDiverged is wrapped by errors about logits or activations that are not
// finite.
var ErrDiverged = errors.New("diverged")

// DefaultChunk is the number of positions that go through a layer together
// where Options name none: enough for matrix products to run at full speed,
// while the activations of a layer stay below its weights.
const DefaultChunk = 512

// Options bounds an engine's memory.
type Options struct {
	// MaxTokens is the longest context, prompt and new tokens together; keys
	// and values are allocated for it. 0 means the model's MaxPositions,
	// which is also the most.
	MaxTokens int
	// Chunk is the number of positions that go through a layer together; 0
	// means DefaultChunk. Results differ by rounding only.
	Chunk int
}

// An Engine is a model on a device, with one context. It is not safe for
// concurrent use.
type Engine struct {
	dev       kernels.Device
	cfg       model.Config
	maxTokens int

	embed, head kernels.Matrix
	finalNorm   kernels.Buffer
	layers      []*Layer
	caches      []Cache
	ws          *Workspace
	residual    kernels.Buffer // chunk×HiddenSize
	hidden      kernels.Buffer // maxTokens×HiddenSize, once Forward needs it
	logits      kernels.Buffer // rows×Vocab of the block in work
	host        []float32      // the rows that Logits returned

	pos    int // positions in the caches
	scored int // rows of hidden that the last Forward filled
	info   Info
}

// New uploads a model to dev. The device and w stay the caller's; what w
// returns must stay readable until Close. The error names the tensor that is
// missing, has another shape than cfg says or does not fit the device.
func New(dev kernels.Device, cfg model.Config, w Weights, opts Options) (*Engine, error) {
	maxTokens, chunk := opts.MaxTokens, opts.Chunk
	if maxTokens == 0 {
		maxTokens = cfg.MaxPositions
	}
	if maxTokens < 1 || maxTokens > cfg.MaxPositions {
		return nil, fmt.Errorf("a context of %d tokens, want 1 to max_position_embeddings %d", maxTokens, cfg.MaxPositions)
	}
	if chunk == 0 {
		chunk = DefaultChunk
	}
	if chunk < 0 {
		return nil, fmt.Errorf("chunks of %d positions, want at least 1", chunk)
	}
	e := &Engine{dev: dev, cfg: cfg, maxTokens: maxTokens}
	if err := e.allocate(min(chunk, maxTokens)); err != nil {
		return nil, err
	}
	if err := e.upload(w); err != nil {
		return nil, err
	}
	return e, nil
}

// allocate makes the buffers whose size is known beforehand.
func (e *Engine) allocate(chunk int) error {
	var err error
	if e.ws, err = NewWorkspace(e.dev, e.cfg, chunk); err != nil {
		return err
	}
	if e.residual, err = e.dev.NewBuffer(chunk * e.cfg.HiddenSize); err != nil {
		return fmt.Errorf("activations of %d positions: %w", chunk, err)
	}
	for range e.cfg.Layers {
		c, err := NewCache(e.dev, e.cfg, e.maxTokens)
		if err != nil {
			return err
		}
		e.caches = append(e.caches, c)
	}
	e.info.KVCacheBytes = 8 * int64(e.cfg.Layers) * int64(e.maxTokens) * int64(e.cfg.KVDim())
	e.info.ActivationBytes = e.ws.bytes() + 4*int64(e.residual.Len())
	return nil
}

// upload hands every tensor to the device.
func (e *Engine) upload(w Weights) error {
	var err error
	if e.embed, err = e.matrix(w, model.EmbeddingName, e.cfg.Vocab, e.cfg.HiddenSize); err != nil {
		return err
	}
	for index := range e.cfg.Layers {
		l, err := NewLayer(e.dev, e.cfg, index, w)
		if err != nil {
			return err
		}
		e.note(model.InputNormName(index), "vector", 4*int64(e.cfg.HiddenSize))
		e.note(model.PostNormName(index), "vector", 4*int64(e.cfg.HiddenSize))
		for _, spec := range e.cfg.Linears(index) {
			p, err := w.Weight(spec.Name)
			if err != nil {
				return err
			}
			m, err := l.Set(e.dev, spec, p)
			if err != nil {
				return err
			}
			e.note(spec.Name, string(p.Kind()), m.DeviceBytes())
		}
		e.layers = append(e.layers, l)
	}
	if e.finalNorm, err = uploadVector(e.dev, w, model.FinalNormName, e.cfg.HiddenSize); err != nil {
		return err
	}
	e.note(model.FinalNormName, "vector", 4*int64(e.cfg.HiddenSize))
	e.head = e.embed
	if !e.cfg.Tied {
		e.head, err = e.matrix(w, model.HeadName, e.cfg.Vocab, e.cfg.HiddenSize)
	}
	return err
}

func (e *Engine) matrix(w Weights, name string, out, in int) (kernels.Matrix, error) {
	p, err := w.Weight(name)
	if err != nil {
		return nil, err
	}
	m, err := upload(e.dev, name, p, out, in)
	if err != nil {
		return nil, err
	}
	e.note(name, string(p.Kind()), m.DeviceBytes())
	return m, nil
}

func (e *Engine) note(name, kind string, bytes int64) {
	e.info.Tensors = append(e.info.Tensors, TensorInfo{name, kind, bytes})
}

// Info says what an engine holds in memory.
type Info struct {
	KVCacheBytes    int64 // keys and values of MaxTokens positions
	ActivationBytes int64 // one chunk of positions, without logits
	Tensors         []TensorInfo
}

// A TensorInfo is one tensor on the device.
type TensorInfo struct {
	Name  string
	Kind  string // a packed.Kind, or "vector" for a norm's gain
	Bytes int64  // on the device, memory shared with the packed weight included
}

// Info returns what the engine holds. A tied head is listed once.
func (e *Engine) Info() Info { return e.info }

// MaxTokens returns the longest context.
func (e *Engine) MaxTokens() int { return e.maxTokens }

// SetObserver makes f see the inputs of the linear layers from now on; nil
// ends that. The head is not a linear layer in this sense.
func (e *Engine) SetObserver(f Observer) { e.ws.SetObserver(f) }

// Close releases what the engine holds. The device stays open.
func (e *Engine) Close() { *e = Engine{} }
