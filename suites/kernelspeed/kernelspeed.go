package kernelspeed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// A Value is one measured number; Metric is a name of results.Metrics.
type Value struct {
	Metric string
	Item   string
	Value  float64 // base units: s, B, FLOP, B/s, FLOP/s
	Calls  int     // behind a time, of which it is the mean; 0 elsewhere
	Sample int
}

// A Machine is what products are timed on.
type Machine struct {
	Device kernels.Prober
	Clock  bench.Clock
	// LastCache is the size in bytes of the last-level cache, all of which the
	// process is taken to have; 0 if the system does not tell it.
	LastCache int64
}

// A Block is one block of one case.
type Block struct {
	Machine
	Options Options
	Index   int             // of the block, from 0
	Slow    map[string]bool // items of the case, kept from block to block
	First   bool            // of the case: declares bytes and operations
	// Draw returns a random out×in matrix of the case.
	Draw     func(out, in int, seed uint64) packed.Weight
	Emit     func(Value) error
	Progress func(done, total int)
	Doubt    func(text string)
}

// unknownCache stands for a last cache whose size is not told: more than most
// machines have for one process.
const unknownCache = 64 << 20

// coldBytes is how much the matrices of a cold product must exceed together.
func (m Machine) coldBytes() int64 {
	if m.LastCache <= 0 {
		return 2 * unknownCache
	}
	return 2 * m.LastCache
}

// Memory estimates the most bytes that a block holds: the buffer that is read as
// memory, copies of a matrix, one of them uncompressed beyond, and the vectors.
func (o Options) Memory(lastCache int64) int64 {
	var largest int64
	for _, s := range o.List() {
		largest = max(largest, 2*int64(s.Out)*int64(s.In)+4*int64(slices.Max(o.Batch))*int64(s.Out+s.In))
	}
	return 2*Machine{LastCache: lastCache}.coldBytes() + largest
}

// HotBytes is the most that a hot product may read and write: three quarters
// of the last cache, since code and stacks, and on most machines others, use it
// too.
func (m Machine) HotBytes() int64 { return m.LastCache / 4 * 3 }

// Run times all products of a block, shape by shape. What a shape leaves is
// collected before the next one, so that the largest decides the memory taken.
func (b Block) Run(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	p, err := newPeaks(b.Machine)
	if err != nil {
		return err
	}
	shapes := b.Options.List()
	var left []string // what does not fit the cache
	for i, s := range shapes {
		unfit, err := b.shape(ctx, p, i)
		if err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		if unfit != "" {
			left = append(left, unfit)
		}
		runtime.GC()
	}
	switch {
	case len(left) == 0:
	case b.LastCache <= 0:
		b.Doubt("no hot products: this system does not tell the size of its last cache")
	default:
		b.Doubt(fmt.Sprintf("hot is given where matrix and vectors take at most %.3g MB, three quarters of the last cache; left out: %s",
			float64(b.HotBytes())/1e6, strings.Join(left, ", ")))
	}
	return nil
}

// shape times the products with the matrices of the i-th shape, and tells which
// do not fit the cache.
func (b Block) shape(ctx context.Context, p *peaks, i int) (unfit string, err error) {
	o := b.Options
	s := o.List()[i]
	w := b.Draw(s.Out, s.In, uint64(i))
	matrices, err := b.upload(w)
	if err != nil {
		return "", err
	}
	x, y, err := b.vectors(s, slices.Max(o.Batch))
	if err != nil {
		return "", err
	}
	runtime.GC() // drawing has left garbage; none of it is to be collected while something is timed
	if err := p.measure(s, b.fits(w, slices.Min(o.Batch)), w.Bytes(), b.Emit); err != nil {
		return "", err
	}
	next, done, left := 0, i*len(o.Batch)*len(o.Cache), 0
	// All cold ones first, then all hot ones with one and the same matrix.
	for _, cache := range []string{Cold, Hot} {
		if !slices.Contains(o.Cache, cache) {
			continue
		}
		for _, batch := range slices.Sorted(slices.Values(o.Batch)) {
			call := func() {
				if cache == Cold {
					next = (next + 1) % len(matrices)
				}
				b.Device.Mul(y, x, batch, matrices[next])
			}
			switch {
			case cache == Cold || b.fits(w, batch):
				err = b.time(ctx, product{fmt.Sprintf("%v,b%d,%s", s, batch, cache), Bytes(w, batch), Flops(w, batch), call})
			case left == 0:
				left = batch
			}
			if err != nil {
				return "", err
			}
			done++
			b.Progress(done, len(o.List())*len(o.Batch)*len(o.Cache))
		}
	}
	if left > 0 {
		unfit = fmt.Sprintf("%v from batch %d", s, left)
	}
	return unfit, nil
}

// fits tells whether a product may be called hot.
func (b Block) fits(w packed.Weight, batch int) bool {
	return slices.Contains(b.Options.Cache, Hot) && Bytes(w, batch) <= b.HotBytes()
}

// Bytes is what a product with t vectors moves at least: the packed matrix,
// X and Y.
func Bytes(w packed.Weight, t int) int64 {
	out, in := w.Dims()
	return w.Bytes() + 4*int64(t)*int64(out+in)
}

// Flops is the number of multiplications and additions of a product with t
// vectors: 2·t·out·in, and for a low-rank matrix that of its two products.
func Flops(w packed.Weight, t int) int64 {
	out, in := w.Dims()
	if l, ok := w.(*packed.LowRank); ok {
		return 2 * int64(t) * int64(l.Rank) * int64(out+in)
	}
	return 2 * int64(t) * int64(out) * int64(in)
}

// upload returns copies of w that exceed the last cache twice over, or w alone
// if nothing is timed cold.
func (b Block) upload(w packed.Weight) ([]kernels.Matrix, error) {
	copies := int64(1)
	if slices.Contains(b.Options.Cache, Cold) {
		copies = b.coldBytes()/w.Bytes() + 1
	}
	var list []kernels.Matrix
	for range copies {
		m, err := b.Device.Upload(w)
		if err != nil {
			return nil, err
		}
		if list = append(list, m); int64(len(list)) < copies {
			if w, err = clone(w); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// clone returns w in memory of its own.
func clone(w packed.Weight) (packed.Weight, error) {
	parts := map[string]packed.Part{}
	for _, p := range w.Parts() {
		p.Data = slices.Clone(p.Data)
		parts[p.Name] = p
	}
	return packed.FromParts(w.Kind(), packed.MetaOf(w), parts)
}

// vectors returns random X and room for Y. Y is written to: the system finds
// memory for a page when it is first touched, which is no part of a product.
func (b Block) vectors(s Shape, t int) (x, y kernels.Buffer, err error) {
	if x, err = b.Device.NewBuffer(t * s.In); err != nil {
		return nil, nil, err
	}
	if y, err = b.Device.NewBuffer(t * s.Out); err != nil {
		return nil, nil, err
	}
	rng, row, zeros := rand.New(rand.NewPCG(1, 0)), make([]float32, s.In), make([]float32, s.Out)
	for i := range t {
		for c := range row {
			row[c] = float32(rng.NormFloat64())
		}
		b.Device.Write(x.Slice(i*s.In, (i+1)*s.In), row)
		b.Device.Write(y.Slice(i*s.Out, (i+1)*s.Out), zeros)
	}
	return x, y, nil
}

// A product is one thing to time.
type product struct {
	item         string
	bytes, flops int64
	call         func()
}

// time emits the times of a product: after a warm-up call, samples of as many
// calls as fit their share of the time, until the rule stops them. A product
// that takes all of the time in one call has one sample, of one call. One that
// takes SlowTimes the time is not warmed up either: what a first call does
// besides, such as finding work space, is little beside so long a call.
func (b Block) time(ctx context.Context, p product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Index >= SlowBlocks && b.Slow[p.item] {
		b.Doubt(fmt.Sprintf("products of which one call takes %v or more were timed in %d blocks only", SlowTimes*b.Options.Time, SlowBlocks))
		return nil
	}
	if b.First {
		for _, v := range []Value{{Metric: "kernel_bytes", Item: p.item, Value: float64(p.bytes)}, {Metric: "kernel_flops", Item: p.item, Value: float64(p.flops)}} {
			if err := b.Emit(v); err != nil {
				return err
			}
		}
	}
	first, err := b.repeat(1, p.call)
	if err != nil {
		return err
	}
	slow := first >= SlowTimes*b.Options.Time
	if b.Options.Time > 0 && slow {
		b.Slow[p.item] = true
	}
	var seconds []float64
	var spent time.Duration
	sample := func(d time.Duration, calls int) error {
		spent += d
		seconds = append(seconds, d.Seconds()/float64(calls))
		return b.Emit(Value{"kernel_time", p.item, d.Seconds() / float64(calls), calls, len(seconds) - 1})
	}
	if first >= b.Options.Time {
		if !slow {
			if first, err = b.repeat(1, p.call); err != nil {
				return err
			}
		}
		return sample(first, 1)
	}
	rule := bench.StopRule{HalfWidth: HalfWidth, MaxRuns: b.Options.Samples, Budget: b.Options.Time}
	calls := callsIn(b.Options.Time/time.Duration(b.Options.Samples), first)
	for stop := false; !stop; stop, _ = rule.Stop(seconds, spent) {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := b.repeat(calls, p.call)
		if err == nil {
			err = sample(d, calls)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callsIn returns how often something that takes once fits into a time, at
// least once.
func callsIn(share, once time.Duration) int {
	return int(min(max(share/max(once, 1), 1), 1<<20))
}
