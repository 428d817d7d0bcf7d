package twopath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// LoRAVersion changes when the same options give other bytes.
const LoRAVersion = 1

// LoRAOptions are the settings of lora in a scenario.
type LoRAOptions struct {
	Rank int `yaml:"rank" doc:"rank of the path beside the 16-bit base"`
}

// DefaultLoRA returns rank 64.
func DefaultLoRA() LoRAOptions { return LoRAOptions{DefaultRank} }

// Check returns the faults, each starting with the field.
func (o LoRAOptions) Check() []error { return checkRank(o.Rank) }

// StoredBytes returns the bytes of an out×in matrix: 16 bits for every weight
// and for every factor of the path.
func (o LoRAOptions) StoredBytes(out, in int) int64 {
	return 2*int64(out)*int64(in) + svd.Bytes(o.Rank, out, in)
}

// Fit returns o with the largest rank of at most so many bytes.
func (o LoRAOptions) Fit(out, in int, target int64) (LoRAOptions, error) {
	rank, err := fit(target, 2*int64(out)*int64(in), out, in)
	return LoRAOptions{rank}, err
}

// LoRA keeps the out×in matrix w at 16 bits and adds a path whose product is
// zero. The error names the first weight that is not finite.
func LoRA(w []float32, out, in int, o LoRAOptions, seed uint64) (*packed.Sum, error) {
	for i, x := range w {
		if x-x != 0 {
			return nil, fmt.Errorf("lora: weight [%d,%d] is %v", i/in, i%in, x)
		}
	}
	return &packed.Sum{Terms: []packed.Weight{halves(w, out, in), adapter(out, in, o.Rank, seed)}}, nil
}

// halves stores w in the 16-bit type that holds every value exactly, BF16
// before F16; where neither does, since the checkpoint is wider, in BF16,
// rounded.
func halves(w []float32, out, in int) *packed.Dense {
	d := &packed.Dense{Out: out, In: in, DType: "BF16", Data: make([]byte, 2*len(w))}
	exact := true
	for i, x := range w {
		h := packed.F32ToBF16(x)
		exact = exact && packed.BF16ToF32(h) == x
		binary.LittleEndian.PutUint16(d.Data[2*i:], h)
	}
	if exact {
		return d
	}
	f := &packed.Dense{Out: out, In: in, DType: "F16", Data: make([]byte, 2*len(w))}
	for i, x := range w {
		h := packed.F32ToF16(x)
		if packed.F16ToF32(h) != x {
			return d
		}
		binary.LittleEndian.PutUint16(f.Data[2*i:], h)
	}
	return f
}

// DrawLoRA returns a random out×in matrix as large as one of LoRA.
func DrawLoRA(o LoRAOptions, out, in int, rng *rand.Rand) *packed.Sum {
	base := &packed.Dense{Out: out, In: in, DType: "BF16", Data: packed.RandomBF16(rng, out*in)}
	return &packed.Sum{Terms: []packed.Weight{base, svd.Draw(out, in, o.Rank, rng)}}
}
