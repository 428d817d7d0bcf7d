package subject

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/sketchbench/sketchbench/internal/engine"
)

// A BaseModel gives the logits of the uncompressed model on windows of text.
// Every case is compared with the same ones, so the final hidden states of a
// window, from which its logits follow by one product, are kept from case to
// case while all of them fit into keptStates bytes.
type BaseModel struct {
	env    *Env
	engine *engine.Engine
	chunk  int // 0 is the engine's own choice
}

// keptStates bounds the hidden states that an Env keeps: 64 windows of 512
// positions at width 2048.
const keptStates = 256 << 20

// baseStates is what an Env keeps.
type baseStates struct {
	of    map[baseWindow][]float32
	bytes int
}

// baseWindow names a window that was run in chunks of some length.
type baseWindow struct {
	tokens [sha256.Size]byte // hash of the ids
	chunk  int
}

// BaseModel returns the uncompressed model for windows of at most so many
// tokens.
func (s *Subject) BaseModel(tokens int) (*BaseModel, error) {
	e, err := s.Base(tokens)
	if err != nil {
		return nil, err
	}
	return &BaseModel{env: s.Env, engine: e}, nil
}

// Forward runs tokens from an empty context, or finds what an earlier run of
// them came to.
func (b *BaseModel) Forward(ctx context.Context, tokens []int) error {
	kept := &b.env.base
	key := baseWindow{hashTokens(tokens), b.chunk}
	if states, ok := kept.of[key]; ok {
		return b.engine.Restore(states)
	}
	if err := b.engine.Forward(ctx, tokens); err != nil {
		return err
	}
	size := 4 * len(tokens) * b.env.Model.Config.HiddenSize
	if kept.bytes+size > keptStates {
		return nil
	}
	if kept.of == nil {
		kept.of = map[baseWindow][]float32{}
	}
	kept.of[key] = b.engine.States()
	kept.bytes += size
	return nil
}

// Logits returns rows [i,j) of the last Forward, as engine.Engine does.
func (b *BaseModel) Logits(i, j int) ([][]float32, error) { return b.engine.Logits(i, j) }

func hashTokens(tokens []int) [sha256.Size]byte {
	b := make([]byte, 0, 4*len(tokens))
	for _, id := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return sha256.Sum256(b)
}

// ControlChunk is the number of positions that go through a layer together in
// a control: few enough that a device computes with its kernels for short
// inputs, which sum in another order. (Longer chunks of different lengths give
// the same bits on the CPU, and so no control.)
const ControlChunk = 8

// Control returns the uncompressed model in chunks of ControlChunk positions.
// The caller closes it.
func (s *Subject) Control(tokens int) (*BaseModel, error) {
	e, err := engine.New(s.Env.Device, s.Env.Model.Config, s.Env.Model.Weights(), engine.Options{MaxTokens: tokens, Chunk: ControlChunk})
	if err != nil {
		return nil, err
	}
	return &BaseModel{s.Env, e, ControlChunk}, nil
}

// Close releases the engine of a Control.
func (b *BaseModel) Close() { b.engine.Close() }
