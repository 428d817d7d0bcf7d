package nf4

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func compress(t testing.TB, w []float32, out, in int, o Options) (*packed.Levels, []float32) {
	t.Helper()
	p, err := Compress(gemm.Config{}, w, out, in, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	what := make([]float32, len(w))
	p.Dequantize(what, 0, out)
	return p, what
}

func unpack(p *packed.Levels) []uint8 {
	codes, rb := make([]uint8, p.Out*p.In), packed.RowBytes(p.In, p.Bits)
	for r := range p.Out {
		packed.UnpackRow(codes[r*p.In:(r+1)*p.In], p.Codes[r*rb:(r+1)*rb], p.In, p.Bits)
	}
	return codes
}

// TestReference compares with bitsandbytes (NF4) and with the nearest levels
// of LoftQ's generator in float64 (NF2, NF3).
func TestReference(t *testing.T) {
	type figures struct {
		EF float64 `json:"e_F"`
	}
	quanttest.Run(t, func(t *testing.T, s *quanttest.Set) {
		results, names := quanttest.Results[figures](t, s, "nf4")
		for _, name := range names {
			m := s.Matrix(t, name)
			f := strings.Split(name, ".")
			if len(f) == 3 {
				referenceDouble(t, s, m, name, results[name].EF)
				continue
			}
			p, what := compress(t, m.W, m.Out, m.In, Options{Bits: int(f[1][2] - '0'), Block: 64})
			if !bytes.Equal(unpack(p), s.Codes(t, "nf4", name+".codes")) {
				t.Errorf("%s: codes differ", name)
			}
			if e := m.RelativeFrobenius(quanttest.Widen(what)); !quanttest.Close(e, results[name].EF, 1e-6) {
				t.Errorf("%s: e_F %.12g, want %.12g", name, e, results[name].EF)
			}
			if p.Bits != 4 {
				continue
			}
			absmax, _ := s.Values(t, "nf4", name+".absmax")
			for i, a := range absmax {
				if float64(p.Absmax[i]) != a {
					t.Fatalf("%s: scale %d is %v, want %v", name, i, p.Absmax[i], a)
				}
			}
		}
	})
}

// referenceDouble compares double quantisation. The codes of the weights are
// the same, and from the reference's offset the second-level scales. The codes
// of scales may differ where the quotient is within half of one of the 65535
// steps, to which the reference rounds it, of the middle of two values. From
// the reference's own codes come the restored scales, to the bit, and e_F.
func referenceDouble(t *testing.T, s *quanttest.Set, m *quanttest.Matrix, name string, ef float64) {
	t.Helper()
	p, _ := compress(t, m.W, m.Out, m.In, Options{Bits: 4, Block: 64, DoubleQuant: true})
	plain, _ := compress(t, m.W, m.Out, m.In, DefaultOptions())
	if !bytes.Equal(p.Codes, plain.Codes) {
		t.Errorf("%s: codes differ from those without double quantisation", name)
	}
	values := func(part string) []float64 {
		v, _ := s.Values(t, "nf4", name+"."+part)
		return v
	}
	// The reference sums the mean in float32.
	offset := float32(values("offset")[0])
	if !quanttest.Close(float64(p.Offset), float64(offset), 0x1p-22) {
		t.Errorf("%s: offset %v, want %v", name, p.Offset, offset)
	}
	codes, absmax2 := double(plain.Absmax, offset)
	for i, want := range values("absmax2") {
		if float64(absmax2[i]) != want {
			t.Errorf("%s: second-level scale %d is %v, want %v", name, i, absmax2[i], want)
		}
	}
	values8, reference := packed.DynamicMap(), make([]uint8, len(codes))
	for i, c := range values("absmax_codes") {
		reference[i] = uint8(c)
		x := float64(plain.Absmax[i]-offset) / float64(absmax2[i/256])
		lower := min(codes[i], uint8(c))
		middle := (float64(values8[lower]) + float64(values8[min(255, int(lower)+1)])) / 2
		if codes[i] != uint8(c) && (math.Abs(x-middle) > 1.01/65535 || codes[i]-lower > 1 || uint8(c)-lower > 1) {
			t.Errorf("%s: code of scale %d is %d, want %v", name, i, codes[i], c)
		}
	}
	p.AbsmaxCodes, p.Absmax2, p.Offset = reference, absmax2, offset
	for i, want := range values("absmax_restored") {
		if float64(p.Scale(i)) != want {
			t.Errorf("%s: restored scale %d is %v, want %v", name, i, p.Scale(i), want)
		}
	}
	what := make([]float32, len(m.W))
	p.Dequantize(what, 0, m.Out)
	if e := m.RelativeFrobenius(quanttest.Widen(what)); !quanttest.Close(e, ef, 1e-6) {
		t.Errorf("%s: e_F %.12g, want %.12g", name, e, ef)
	}
}

// TestCheck14NFLevels: NF2 and NF3 are those of LoftQ's generator to 1e-6, and
// NF4 to 1e-6 of it: normal quantiles at evenly spaced probabilities, 2^(b-1)
// positive ones from 0.9677083 down to 0.5, which is left out, one fewer
// negative, and 0, divided by the largest (methods.md 4.3).
func TestCheck14NFLevels(t *testing.T) {
	for bits := 2; bits <= 4; bits++ {
		quantile := func(i, n int) float64 { // point i of n from 0.9677083 to 0.5
			p := 0.9677083 + (0.5-0.9677083)*float64(i)/float64(n-1)
			return math.Sqrt2 * math.Erfinv(2*p-1)
		}
		positive, largest := 1<<(bits-1), quantile(0, 2)
		var want []float64
		for i := range positive - 1 {
			want = append(want, -quantile(i, positive)/largest)
		}
		want = append(want, 0)
		for i := positive - 1; i >= 0; i-- {
			want = append(want, quantile(i, positive+1)/largest)
		}
		got := packed.NormalFloat(bits)
		if len(got) != len(want) {
			t.Fatalf("NF%d has %d levels, want %d", bits, len(got), len(want))
		}
		for i, l := range got {
			if math.Abs(float64(l)-want[i]) > 1e-6 {
				t.Errorf("NF%d: level %d is %v, want %v", bits, i, l, want[i])
			}
		}
	}
	// The printed digits.
	for bits, want := range map[int]string{
		2: "[-1.000000 0.000000 0.337915 1.000000]",
		3: "[-1.000000 -0.478629 -0.217142 0.000000 0.160930 0.337915 0.562617 1.000000]",
	} {
		if got := fmt.Sprintf("%.6f", packed.NormalFloat(bits)); got != want {
			t.Errorf("NF%d: %s, want %s", bits, got, want)
		}
	}
}

// TestDynamicMap compares with the values of bitsandbytes, to the bit.
func TestDynamicMap(t *testing.T) {
	want, _ := quanttest.Copied(t).Values(t, "nf4", "levels.bitsandbytes_dynamic8")
	for i, v := range packed.DynamicMap() {
		if float64(v) != want[i] {
			t.Errorf("value %d is %v, want %v", i, v, want[i])
		}
	}
	want, _ = quanttest.Copied(t).Values(t, "nf4", "levels.bitsandbytes")
	for i, v := range packed.NormalFloat(4) {
		if float64(v) != want[i] {
			t.Errorf("level %d is %v, want %v", i, v, want[i])
		}
	}
}

func gaussian(n int) []float32 {
	rnd := rand.New(rand.NewPCG(1, 1))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rnd.NormFloat64())
	}
	return w
}

// TestNearest checks the property that defines the codes, in float64: no level
// is nearer, and of two equally near the lower is taken. Blocks cross rows;
// weights are normal, and middles of levels with their neighbours.
func TestNearest(t *testing.T) {
	const out, in, block = 9, 101, 70
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, bits := range widths {
		w := gaussian(out * in)
		levels := packed.NormalFloat(bits)
		for i := range w {
			if i%3 == 0 { // about a middle of the block, whose scale is 4
				k := rnd.IntN(len(levels) - 1)
				m := float32((float64(levels[k]) + float64(levels[k+1])) * 2)
				w[i] = []float32{m, math.Nextafter32(m, -9), math.Nextafter32(m, 9)}[rnd.IntN(3)]
			}
			if i%block == 0 {
				w[i] = -4
			}
			w[i] = max(-4, min(4, w[i]))
		}
		clear(w[2*block : 3*block])
		p, what := compress(t, w, out, in, Options{Bits: bits, Block: block})
		for i, c := range unpack(p) {
			scale := float64(p.Absmax[i/block])
			distance := func(l float32) float64 { return math.Abs(float64(l)*scale - float64(w[i])) }
			for k, l := range levels {
				if d, own := distance(l), distance(levels[c]); d < own || d == own && k < int(c) && scale > 0 {
					t.Fatalf("NF%d: weight %d, %v with the scale %v, has the code %d; %d is nearer or lower", bits, i, w[i], scale, c, k)
				}
			}
			if scale == 0 && (what[i] != 0 || math.Signbit(float64(what[i]))) {
				t.Fatalf("NF%d: a zero became %v", bits, what[i])
			}
		}
	}
}

// TestConstant: the levels -1, 0 and 1 are exact, so rows of zeros and of one
// value, and blocks of one weight, come back as they were.
func TestConstant(t *testing.T) {
	for _, bits := range widths {
		w := make([]float32, 3*70)
		for i := range 70 {
			w[i], w[140+i] = -0.3, 1e-42
		}
		if _, what := compress(t, w, 3, 70, Options{Bits: bits, Block: 35}); !slices.Equal(what, w) {
			t.Errorf("NF%d: %v, want %v", bits, what, w)
		}
		w = gaussian(9)
		if _, what := compress(t, w, 9, 1, Options{Bits: bits, Block: 1}); !slices.Equal(what, w) {
			t.Errorf("NF%d, blocks of one: %v, want %v", bits, what, w)
		}
	}
}

// TestCheck12Sizes: the formulas of methods.md 4.3 at three shapes, the
// printed 4.5 and 4.126953125 (to which the offset adds 32 bits per matrix),
// and that StoredBytes is what Compress stores.
func TestCheck12Sizes(t *testing.T) {
	for _, shape := range [][2]int{{4096, 4096}, {11008, 4096}, {2048, 8192}} {
		n := float64(shape[0]) * float64(shape[1])
		bpw := func(o Options) float64 { return 8 * float64(StoredBytes(o, shape[0], shape[1])) / n }
		if got := bpw(DefaultOptions()); got != 4.5 {
			t.Errorf("NF4: %v bits, want 4.5", got)
		}
		if got := bpw(Options{4, 64, true}); got != 4.126953125+32/n {
			t.Errorf("NF4 with double quantisation: %v bits, want 4.126953125 and 32 for the offset", got)
		}
		if got := bpw(Options{2, 64, false}); got != 2.5 {
			t.Errorf("NF2: %v bits, want 2.5", got)
		}
	}
	for _, o := range []Options{{2, 64, false}, {3, 7, true}, {4, 64, true}, {4, 1, false}, {3, 10000, false}, {4, 1, true}} {
		for _, shape := range [][2]int{{5, 173}, {64, 1}, {1, 1}} {
			out, in := shape[0], shape[1]
			p, _ := compress(t, gaussian(out*in), out, in, o)
			var parts int64
			for _, part := range p.Parts() {
				parts += int64(len(part.Data))
			}
			if got, want := StoredBytes(o, out, in), p.Bytes(); got != want || parts != want {
				t.Errorf("%+v on %d×%d: StoredBytes %d, stored %d, parts %d", o, out, in, got, want, parts)
			}
			if got := Draw(o, out, in, rand.New(rand.NewPCG(1, 1))); got.Check() != nil || got.Bytes() != p.Bytes() {
				t.Errorf("%+v on %d×%d: Draw has %d bytes, want %d; %v", o, out, in, got.Bytes(), p.Bytes(), got.Check())
			}
		}
	}
}

// TestFit: the block found fits and the next smaller one does not.
func TestFit(t *testing.T) {
	const out, in = 24, 100
	for _, double := range []bool{false, true} {
		o := Options{Bits: 4, Block: 64, DoubleQuant: double}
		for target := int64(1200); target < 12000; target += 77 {
			f, err := Fit(o, out, in, target)
			if err != nil {
				if small := StoredBytes(Options{4, out * in, double}, out, in); small <= target {
					t.Errorf("%d bytes: %v, but %d would do", target, err, small)
				}
				continue
			}
			if StoredBytes(f, out, in) > target {
				t.Errorf("%d bytes: block %d takes %d", target, f.Block, StoredBytes(f, out, in))
			}
			if f.Block--; f.Block > 0 && StoredBytes(f, out, in) <= target {
				t.Errorf("%d bytes: block %d fits too", target, f.Block)
			}
		}
	}
}

// TestZeroShare: of the NF2 levels -1, 0, 0.34 and 1, 0 is nearest to 0.1, and
// to everything in a block of zeros.
func TestZeroShare(t *testing.T) {
	p, _ := compress(t, []float32{1, 0.1, 0.1, -0.4, 0, 0, 0, 0}, 2, 4, Options{Bits: 2, Block: 4})
	cfg, err := gemm.Config{}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got := ZeroShare(cfg, p); got != 7./8 {
		t.Errorf("%v of the weights are 0, want 7/8", got)
	}
}

// TestThreads: neither threads nor the instruction set change a bit.
func TestThreads(t *testing.T) {
	const out, in = 53, 200
	w := gaussian(out * in)
	w[777] = 12.5
	for _, o := range []Options{DefaultOptions(), {2, 33, true}, {3, 128, false}} {
		first, _ := compress(t, w, out, in, o)
		configs := []gemm.Config{{Threads: 1}, {Threads: 5}}
		for _, isa := range gemm.Available() {
			configs = append(configs, gemm.Config{ISA: isa})
		}
		for _, cfg := range configs {
			p, err := Compress(cfg, w, out, in, o)
			if err != nil {
				t.Fatal(err)
			}
			for i, part := range p.Parts() {
				if !bytes.Equal(part.Data, first.Parts()[i].Data) {
					t.Errorf("%+v %+v: %s differs", cfg, o, part.Name)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	const out, in = 40, 130
	for _, c := range []struct {
		name string
		bad  float32
		o    Options
		want string
	}{
		{"NaN", float32(math.NaN()), DefaultOptions(), "nf4: weight [38,129] is NaN"},
		{"infinite", float32(math.Inf(-1)), DefaultOptions(), "nf4: weight [38,129] is -Inf"},
		{"bits", 0, Options{Bits: 8, Block: 64}, "nf4: bits: 8, want one of 2, 3, 4"},
		{"block", 0, Options{Bits: 4}, "nf4: block: 0, want 1 or more weights"},
	} {
		w := make([]float32, out*in)
		w[38*in+129] = c.bad
		if _, err := Compress(gemm.Config{}, w, out, in, c.o); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	if faults := Check(Options{Bits: 1, Block: -2}); len(faults) != 2 {
		t.Errorf("faults %v, want both fields", faults)
	}
}

// BenchmarkCompress reads 4 bytes of each weight twice and writes half a byte.
func BenchmarkCompress(b *testing.B) {
	const out, in = 4096, 4096
	w := gaussian(out * in)
	for _, double := range []bool{false, true} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("double=%v/threads=%d", double, threads), func(b *testing.B) {
				for b.Loop() {
					if _, err := Compress(gemm.Config{Threads: threads}, w, out, in, Options{4, 64, double}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(out*in*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
			})
		}
	}
}

// TestSmallScales: the middles of blocks of any scale are the products rounded
// down, those of subnormal ones included.
func TestSmallScales(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, bits := range widths {
		n := newNearest(gemm.Generic, bits)
		for range 2000 {
			scale := math.Float32frombits(1 + rnd.Uint32N(0x7f7fffff))
			n.scale(scale)
			for i, m := range n.middles {
				exact := new(big.Float).Mul(big.NewFloat(m), big.NewFloat(float64(scale)))
				got, next := n.scaled[i], math.Nextafter32(n.scaled[i], math.MaxFloat32)
				if big.NewFloat(float64(got)).Cmp(exact) > 0 || big.NewFloat(float64(next)).Cmp(exact) <= 0 {
					t.Fatalf("NF%d: middle %d times %v is %v, want %v rounded down", bits, i, scale, got, exact)
				}
			}
		}
	}
}
