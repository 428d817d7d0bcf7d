package kernelspeed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// A fake is a device whose time is a count: a product takes perVector for each
// vector, reading a nanosecond for each byte, a multiply-add of a lane a
// nanosecond on 4 lanes.
type fake struct {
	kernels.Device
	perVector time.Duration
	now       time.Duration
	uploads   []packed.Weight
	muls      []mul
	streamed  []int // values
	failure   error
}

type mul struct {
	batch int
	w     packed.Weight
}

type buffer int

func (b buffer) Len() int                      { return int(b) }
func (b buffer) Slice(i, j int) kernels.Buffer { return buffer(j - i) }

type matrix struct{ w packed.Weight }

func (m matrix) Dims() (out, in int) { return m.w.Dims() }
func (m matrix) DeviceBytes() int64  { return m.w.Bytes() }

func (f *fake) NewBuffer(n int) (kernels.Buffer, error) { return buffer(n), nil }
func (f *fake) Write(dst kernels.Buffer, src []float32) {
	if dst.Len() != len(src) {
		panic("part of a buffer was not written")
	}
}
func (f *fake) Upload(w packed.Weight) (kernels.Matrix, error) {
	f.uploads = append(f.uploads, w)
	return matrix{w}, f.failure
}
func (f *fake) Sync() error { return nil }
func (f *fake) Mul(y, x kernels.Buffer, t int, w kernels.Matrix) {
	if out, in := w.Dims(); x.Len() < t*in || y.Len() < t*out {
		panic("vectors do not fit")
	}
	f.muls = append(f.muls, mul{t, w.(matrix).w})
	f.now += time.Duration(t) * f.perVector
}
func (f *fake) Stream(b kernels.Buffer, n int) float32 {
	f.streamed = append(f.streamed, n)
	f.now += time.Duration(4 * n)
	return 0
}
func (f *fake) MultiplyAdd(n int) float64 {
	f.now += time.Duration(n)
	return 2 * 4 * float64(n)
}

func (f *fake) clock(work func() error) (time.Duration, error) {
	start := f.now
	err := work()
	return f.now - start, err
}

// A tape holds what a block said.
type tape struct {
	values []Value
	doubts []string
	steps  []string
}

func (p *tape) block(f *fake, o Options, lastCache int64) Block {
	return Block{
		Machine: Machine{Device: f, Clock: f.clock, LastCache: lastCache}, Options: o, First: true, Slow: map[string]bool{},
		Draw: func(out, in int, seed uint64) packed.Weight {
			rng := rand.New(rand.NewPCG(seed, 0))
			return &packed.Dense{Out: out, In: in, DType: "BF16", Data: packed.RandomBF16(rng, out*in)}
		},
		Emit:     func(v Value) error { p.values = append(p.values, v); return nil },
		Progress: func(done, total int) { p.steps = append(p.steps, fmt.Sprintf("%d/%d", done, total)) },
		Doubt:    func(text string) { p.doubts = append(p.doubts, text) },
	}
}

// of returns the values of a metric and an item.
func (p *tape) of(metric, item string) []Value {
	var vs []Value
	for _, v := range p.values {
		if v.Metric == metric && v.Item == item {
			vs = append(vs, v)
		}
	}
	return vs
}

var small = Options{Shapes: []string{"64x128"}, Batch: []int{16, 1, 32}, Cache: []string{Hot, Cold}, Blocks: 6, Samples: 5, Time: 10 * time.Millisecond}

// TestBlock works a block out by hand. The matrix has 64·128·2 = 16,384 bytes.
// With a last cache of 40,000 bytes, cold takes 5 copies (81,920 > 80,000), and
// hot may take 30,000 bytes: 17,152 at batch 1, 28,672 at 16, but 40,960 at 32.
func TestBlock(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	if err := p.block(f, small, 40_000).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		item         string
		bytes, flops float64
		samples      int
		calls        int
		seconds      float64
	}{
		// A fifth of 10 ms holds two calls of 1 ms; 16 ms and 32 ms are more than
		// all of the time.
		{"64x128,b1,cold", 16384 + 4*192, 2 * 64 * 128, 5, 2, 0.001},
		{"64x128,b16,cold", 16384 + 4*16*192, 16 * 2 * 64 * 128, 1, 1, 0.016},
		{"64x128,b32,cold", 16384 + 4*32*192, 32 * 2 * 64 * 128, 1, 1, 0.032},
		{"64x128,b1,hot", 17152, 16384, 5, 2, 0.001},
		{"64x128,b16,hot", 28672, 262144, 1, 1, 0.016},
	} {
		b, fl, ts := p.of("kernel_bytes", tt.item), p.of("kernel_flops", tt.item), p.of("kernel_time", tt.item)
		if len(b) != 1 || b[0].Value != tt.bytes || len(fl) != 1 || fl[0].Value != tt.flops || len(ts) != tt.samples {
			t.Errorf("%s: bytes %v, operations %v, %d samples; want %v, %v, %d", tt.item, b, fl, len(ts), tt.bytes, tt.flops, tt.samples)
		}
		for i, v := range ts {
			if v.Value != tt.seconds || v.Calls != tt.calls || v.Sample != i {
				t.Errorf("%s: sample %d: %+v, want %v s, %d calls", tt.item, i, v, tt.seconds, tt.calls)
			}
		}
	}
	if len(p.of("kernel_time", "64x128,b32,hot")) > 0 {
		t.Error("a product that does not fit the cache is called hot")
	}
	want := []string{"hot is given where matrix and vectors take at most 0.03 MB, three quarters of the last cache; left out: 64x128 from batch 32"}
	if !slices.Equal(p.doubts, want) {
		t.Errorf("doubts %q, want %q", p.doubts, want)
	}
	if s := strings.Join(p.steps, " "); s != "1/6 2/6 3/6 4/6 5/6 6/6" {
		t.Errorf("progress %s", s)
	}
}

// TestCycle: cold products take their matrices in turn from more than twice the
// cache, each with memory of its own; hot ones take one.
func TestCycle(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	if err := p.block(f, small, 40_000).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, bytes := map[*byte]bool{}, int64(0)
	for _, w := range f.uploads {
		data := &w.Parts()[0].Data[0]
		if seen[data] {
			t.Error("two copies share memory")
		}
		seen[data] = true
		bytes += w.Bytes()
		if w.Parts()[0].Data[7] != f.uploads[0].Parts()[0].Data[7] {
			t.Error("copies differ")
		}
	}
	if bytes <= 2*40_000 {
		t.Errorf("%d bytes of matrices, want more than twice the cache", bytes)
	}
	// Cold: 1 + 5·2 calls of batch 1 and two each of 16 and 32, of which the
	// first is a warm-up; then hot.
	const cold = 15
	at := slices.Index(f.uploads, f.muls[0].w)
	for i, m := range f.muls[:cold] {
		if m.w != f.uploads[(at+i)%len(f.uploads)] {
			t.Errorf("cold call %d takes matrix %d, want the next one", i, slices.Index(f.uploads, m.w))
		}
	}
	for i, m := range f.muls[cold:] {
		if m.w != f.muls[cold].w {
			t.Errorf("hot call %d takes another matrix", i)
		}
	}
	if len(f.muls) != cold+13 {
		t.Errorf("%d calls, want %d", len(f.muls), cold+13)
	}
}

// TestPeaks: the limits are those of the fake, a byte a nanosecond and 8
// operations a nanosecond.
func TestPeaks(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	o := small
	o.Shapes = []string{"64x128", "32x64"}
	if err := p.block(f, o, 40_000).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	near := func(a, b float64) bool { return a > b*(1-1e-9) && a < b*(1+1e-9) }
	for _, tt := range []struct {
		metric, item string
		n            int
		value        float64
	}{
		{"read_peak", "cold", 6, 1e9}, {"read_peak", "64x128,hot", 3, 1e9}, {"read_peak", "32x64,hot", 3, 1e9}, {"fma_peak", "", 6, 8e9},
	} {
		vs := p.of(tt.metric, tt.item)
		for i, v := range vs {
			if !near(v.Value, tt.value) || v.Sample != i {
				t.Errorf("%s %s: sample %d: %+v, want %v", tt.metric, tt.item, i, v, tt.value)
			}
		}
		if len(vs) != tt.n {
			t.Errorf("%s %s: %d samples, want %d", tt.metric, tt.item, len(vs), tt.n)
		}
	}
	if f.streamed[0]*4 <= 2*40_000 {
		t.Errorf("%d values are read as memory, want more than twice the cache", f.streamed[0])
	}
	// As many bytes as the matrix has: 16,384/4 and 4,096/4 values.
	if !slices.Contains(f.streamed, 4096) || !slices.Contains(f.streamed, 1024) {
		t.Errorf("in the cache %v values are read, want 4096 and 1024 among them", f.streamed)
	}
}

// TestRule: equal times are known exactly as soon as there is an interval, at 6
// samples; a later block declares nothing again.
func TestRule(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	o := small
	o.Batch, o.Cache, o.Samples, o.Time = []int{1}, []string{Cold}, 50, time.Second
	b := p.block(f, o, 40_000)
	b.First = false
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(p.of("kernel_time", "64x128,b1,cold")); n != 6 {
		t.Errorf("%d samples, want 6", n)
	}
	if len(p.of("kernel_bytes", "64x128,b1,cold")) != 0 || len(p.of("read_peak", "64x128,hot")) != 0 {
		t.Error("bytes in a later block, or a limit of hot products where there are none")
	}
}

// TestSlow: what takes ten times the time of a block, here 100 ms at batch 100,
// is timed in three blocks, by its only call in each.
func TestSlow(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	o := small
	o.Batch, o.Cache = []int{1, 100}, []string{Cold}
	b := p.block(f, o, 40_000)
	for b.Index = range 6 {
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.First = false
	}
	if fast, slow := len(p.of("kernel_time", "64x128,b1,cold")), len(p.of("kernel_time", "64x128,b100,cold")); fast != 30 || slow != 3 {
		t.Errorf("%d fast and %d slow samples in 6 blocks, want 30 and 3", fast, slow)
	}
	if n := len(slices.DeleteFunc(slices.Clone(f.muls), func(m mul) bool { return m.batch != 100 })); n != 3 {
		t.Errorf("%d slow calls, want 3", n)
	}
	if want := "products of which one call takes 100ms or more were timed in 3 blocks only"; !slices.Contains(p.doubts, want) {
		t.Errorf("doubts %q, want %q", p.doubts, want)
	}
}

// TestUnknownCache: nothing is called hot, and one matrix is enough.
func TestUnknownCache(t *testing.T) {
	f, p := &fake{perVector: time.Millisecond}, &tape{}
	o := small
	o.Cache = []string{Hot}
	if err := p.block(f, o, 0).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.muls) > 0 || len(f.uploads) != 1 || !slices.Equal(p.doubts, []string{"no hot products: this system does not tell the size of its last cache"}) {
		t.Errorf("%d products, %d matrices, doubts %q", len(f.muls), len(f.uploads), p.doubts)
	}
}

func TestStops(t *testing.T) {
	boom := errors.New("boom")
	f, p := &fake{failure: boom}, &tape{}
	if err := p.block(f, small, 40_000).Run(t.Context()); !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "64x128: ") {
		t.Errorf("upload that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f = &fake{perVector: time.Millisecond}
	if err := p.block(f, small, 40_000).Run(ctx); !errors.Is(err, context.Canceled) || len(f.muls) > 0 {
		t.Errorf("canceled: %v, %d products", err, len(f.muls))
	}
	b := p.block(f, small, 40_000)
	b.Emit = func(Value) error { return boom }
	if err := b.Run(t.Context()); !errors.Is(err, boom) {
		t.Errorf("value that cannot be kept: %v", err)
	}
}

// TestFlops: a low-rank matrix takes two thin products.
func TestFlops(t *testing.T) {
	w := &packed.LowRank{Out: 64, In: 128, Rank: 3, U: make([]uint16, 64*3), V: make([]uint16, 3*128)}
	// 2 vectors, rank 3, 192 channels: 2·2·3·192; 2·192·3 bytes of factors
	// and 4·2·192 of vectors.
	if f, b := Flops(w, 2), Bytes(w, 2); f != 2304 || b != 1152+1536 {
		t.Errorf("%d operations, %d bytes, want 2304, 2688", f, b)
	}
}

func TestOptions(t *testing.T) {
	if errs := DefaultOptions.Check(); errs != nil {
		t.Errorf("defaults: %v", errs)
	}
	o := Options{Shapes: []string{"llama-2-7b", "64x128", "llama-3-8b"}}
	want := "[4096x4096 11008x4096 4096x11008 64x128 1024x4096 14336x4096 4096x14336]"
	if got := fmt.Sprint(o.List()); got != want {
		t.Errorf("shapes %s, want %s", got, want)
	}
	bad := Options{Shapes: []string{"llama-9", "0x3", "4×4"}, Batch: []int{0, 2, 2}, Cache: []string{"warm", Hot, Hot}, Blocks: 5, Time: -1}
	var got []string
	for _, err := range bad.Check() {
		got = append(got, err.Error())
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{
		`shapes[0]: "llama-9", want OUTxIN such as 4096x14336, or one of llama-2-7b, llama-3-8b, llama-3.2-1b`,
		"shapes[1]: 0x3, want at least 1x1", `shapes[2]: "4×4", want OUTxIN`,
		"batch[0]: 0, want 1 to 65536", "batch[2]: 2 is there twice", `cache[0]: "warm", want cold or hot`, "cache[2]: hot is there twice",
		"blocks: 5, want at least 6", "samples: 0, want at least 1", "time: -1ns, want 0 or more",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("faults lack %q:\n%s", want, text)
		}
	}
	if errs := (Options{Blocks: 6, Samples: 1}).Check(); len(errs) != 3 {
		t.Errorf("empty lists: %v", errs)
	}
}
