package twopath

import (
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/nf4"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// QLoRAVersion changes when the same options give other bytes.
const QLoRAVersion = 1

// QLoRAOptions are the settings of qlora in a scenario.
type QLoRAOptions struct {
	Rank        int  `yaml:"rank" doc:"rank of the path beside the NF4 base"`
	Block       int  `yaml:"block" doc:"weights of the flattened matrix that share a scale"`
	DoubleQuant bool `yaml:"double-quant" doc:"scales in 8 bits, with a second scale for every 256 of them"`
}

// DefaultQLoRA returns rank 64, blocks of 64 and double quantisation.
func DefaultQLoRA() QLoRAOptions { return QLoRAOptions{DefaultRank, nf4.DefaultOptions().Block, true} }

func (o QLoRAOptions) base() nf4.Options {
	return nf4.Options{Bits: 4, Block: o.Block, DoubleQuant: o.DoubleQuant}
}

// Check returns the faults, each starting with the field.
func (o QLoRAOptions) Check() []error { return append(checkRank(o.Rank), nf4.Check(o.base())...) }

// StoredBytes returns the bytes of an out×in matrix: those of nf4 and 16 bits
// for every factor of the path.
func (o QLoRAOptions) StoredBytes(out, in int) int64 {
	return nf4.StoredBytes(o.base(), out, in) + svd.Bytes(o.Rank, out, in)
}

// Fit returns o with the largest rank of at most so many bytes.
func (o QLoRAOptions) Fit(out, in int, target int64) (QLoRAOptions, error) {
	var err error
	o.Rank, err = fit(target, nf4.StoredBytes(o.base(), out, in), out, in)
	return o, err
}

// QLoRA rounds the out×in matrix w to NF4 and adds a path whose product is
// zero.
func QLoRA(cfg gemm.Config, w []float32, out, in int, o QLoRAOptions, seed uint64) (*packed.Sum, error) {
	base, err := nf4.Compress(cfg, w, out, in, o.base())
	if err != nil {
		return nil, err
	}
	return &packed.Sum{Terms: []packed.Weight{base, adapter(out, in, o.Rank, seed)}}, nil
}

// DrawQLoRA returns a random out×in matrix as large as one of QLoRA.
func DrawQLoRA(o QLoRAOptions, out, in int, rng *rand.Rand) *packed.Sum {
	return &packed.Sum{Terms: []packed.Weight{nf4.Draw(o.base(), out, in, rng), svd.Draw(out, in, o.Rank, rng)}}
}
