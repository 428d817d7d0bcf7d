package twopath

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/quanttest"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

func normal(n int, scale float64) []float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(scale * rng.NormFloat64())
	}
	return w
}

func dequantized(w packed.Weight) []float32 {
	out, in := w.Dims()
	v := make([]float32, out*in)
	w.Dequantize(v, 0, out)
	return v
}

// TestAdapter: the product is exactly zero; A is spread evenly in ±1/√in, so
// its mean square is 1/(3·in); equal seeds give equal factors, others others.
func TestAdapter(t *testing.T) {
	const out, in, rank = 40, 256, 64
	p := adapter(out, in, rank, 5)
	for i, x := range dequantized(p) {
		if x != 0 {
			t.Fatalf("product[%d] = %v, want 0", i, x)
		}
	}
	var square, mean float64
	for _, h := range p.V {
		v := float64(packed.F16ToF32(h))
		if math.Abs(v) > 1./16 {
			t.Fatalf("%v is beyond ±1/√256", v)
		}
		square += v * v / float64(len(p.V))
		mean += v / float64(len(p.V))
	}
	// v² has mean b²/3 and standard deviation b²·√(4/45), v has b/√3; four of
	// these over √n.
	n, b := float64(len(p.V)), 1./16
	if !(math.Abs(square-b*b/3) <= 4*b*b*math.Sqrt(4./45/n)) || !(math.Abs(mean) <= 4*b/math.Sqrt(3*n)) {
		t.Errorf("mean square %v, mean %v; want %v and 0", square, mean, b*b/3)
	}
	same(t, &packed.Sum{Terms: []packed.Weight{p, p}}, adapter(out, in, rank, 5))
	if q := adapter(out, in, rank, 6); string(packedBytes(q)) == string(packedBytes(p)) {
		t.Error("another seed gives the same factors")
	}
}

func packedBytes(w packed.Weight) (all []byte) {
	for _, p := range w.Parts() {
		all = append(all, p.Data...)
	}
	return all
}

// TestLoRA: the base is the matrix itself in a type that holds it, and what is
// run is the base.
func TestLoRA(t *testing.T) {
	w := normal(12*20, 1)
	for i := range w {
		w[i] = packed.BF16ToF32(packed.F32ToBF16(w[i]))
	}
	check := func(w []float32, dtype string) {
		t.Helper()
		sum, err := LoRA(w, 12, 20, LoRAOptions{3}, 1)
		if err == nil {
			err = sum.Check()
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := sum.Terms[0].(*packed.Dense).DType; d != dtype {
			t.Errorf("base is %s, want %s", d, dtype)
		}
		for i, x := range dequantized(sum) {
			if x != w[i] && !(math.Abs(float64(x-w[i])) <= 0x1p-9*math.Abs(float64(w[i])) && dtype == "BF16") {
				t.Fatalf("Ŵ[%d] = %v, want %v", i, x, w[i])
			}
		}
	}
	check(w, "BF16")
	w[0] = 1 + 0x1p-10 // of f16, not of bf16
	check(w, "F16")
	w[1] = 1 + 0x1p-20 // of neither
	check(w, "BF16")
}

// TestQLoRA: what is run is the base alone.
func TestQLoRA(t *testing.T) {
	m := quanttest.Copied(t).Matrix(t, quanttest.Heavy)
	for _, double := range []bool{false, true} {
		sum, err := QLoRA(gemm.Config{}, m.W, m.Out, m.In, QLoRAOptions{Rank: 9, Block: 64, DoubleQuant: double}, 1)
		if err != nil {
			t.Fatal(err)
		}
		same(t, sum, sum.Terms[0], adapter(m.Out, m.In, 9, 1))
		base := dequantized(sum.Terms[0])
		for i, x := range dequantized(sum) {
			if x != base[i] {
				t.Fatalf("Ŵ[%d] = %v, the base is %v", i, x, base[i])
			}
		}
	}
}

// TestCheck12Bits counts bytes: 16 (or 4.5, or 4.126953125 with double
// quantisation, 2.5 and 2.127 for NF2) + 16·r·(n+d)/(n·d) bits per weight, the
// one offset of double quantisation aside; rank 64 of 4096×4096 adds 0.5
// (methods.md 6, check 12).
func TestCheck12Bits(t *testing.T) {
	const n = 4096
	bits := func(bytes int64) float64 { return 8 * float64(bytes) / (n * n) }
	const offset = 32. / (n * n)
	for _, c := range []struct {
		name string
		got  int64
		want float64
	}{
		{"lora", DefaultLoRA().StoredBytes(n, n), 16.5},
		{"qlora", DefaultQLoRA().StoredBytes(n, n), 4.626953125 + offset},
		{"qlora without double quantisation", QLoRAOptions{64, 64, false}.StoredBytes(n, n), 5},
		{"loftq", DefaultLoftQ().StoredBytes(n, n), 5},
		{"loftq NF2", LoftQOptions{Bits: 2, Rank: 64, Block: 64}.StoredBytes(n, n), 3},
		{"loftq NF2 double", LoftQOptions{Bits: 2, Rank: 64, Block: 64, DoubleQuant: true}.StoredBytes(n, n), 2.626953125 + offset},
	} {
		if bits(c.got) != c.want {
			t.Errorf("%s: %v bits, want %v", c.name, bits(c.got), c.want)
		}
	}
	for _, d := range [][2]int{{96, 128}, {30, 50}, {64, 172}} {
		out, in := d[0], d[1]
		w := normal(out*in, 0.02)
		lora := LoRAOptions{5}
		qlora := QLoRAOptions{5, 64, true}
		loftq := LoftQOptions{Bits: 3, Rank: 5, Rounds: 1, Block: 64}
		a, err := LoRA(w, out, in, lora, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := QLoRA(gemm.Config{}, w, out, in, qlora, 1)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := LoftQ(gemm.Config{}, w, out, in, loftq, 1)
		if err != nil {
			t.Fatal(err)
		}
		blocks := int64((out*in + 63) / 64)
		path := int64(2 * 5 * (out + in))
		for _, x := range []struct {
			sum     *packed.Sum
			formula int64
			hand    int64
		}{
			{a, lora.StoredBytes(out, in), int64(2*out*in) + path},
			{b, qlora.StoredBytes(out, in), int64(out*((in+1)/2)) + blocks + 4*((blocks+255)/256) + 4 + path},
			{c, loftq.StoredBytes(out, in), int64(out*((3*in+7)/8)) + 4*blocks + path},
		} {
			var sum int64
			for _, p := range x.sum.Parts() {
				sum += int64(len(p.Data))
			}
			if sum != x.formula || sum != x.hand || x.sum.Bytes() != sum {
				t.Errorf("%v: parts of %d bytes, Bytes %d, formula %d, by hand %d", d, sum, x.sum.Bytes(), x.formula, x.hand)
			}
		}
	}
}

// TestCheck15Trainables: rank 64 on all linear layers of Llama-2-7B trains
// 159,907,840 values (methods.md 6, check 15).
func TestCheck15Trainables(t *testing.T) {
	var n int64
	for _, s := range [][3]int{{4, 4096, 4096}, {2, 11008, 4096}, {1, 4096, 11008}} {
		o := DefaultLoftQ()
		with := o.StoredBytes(s[1], s[2])
		o.Rank = 0
		n += 32 * int64(s[0]) * (with - o.StoredBytes(s[1], s[2])) / 2
	}
	if n != 159_907_840 {
		t.Errorf("%d trainable values, want 159907840", n)
	}
}

// TestFit: the largest rank that fits, and the bytes of the smallest.
func TestFit(t *testing.T) {
	for _, rank := range []int{1, 7, 64} {
		bytes := QLoRAOptions{rank, 64, true}.StoredBytes(64, 172)
		got, err := DefaultQLoRA().Fit(64, 172, bytes)
		if err != nil || got.Rank != rank {
			t.Errorf("rank %d came back as %+v, %v", rank, got, err)
		}
		if less, err := DefaultQLoRA().Fit(64, 172, bytes-1); rank > 1 && (err != nil || less.Rank != rank-1) {
			t.Errorf("rank %d and a byte less gives %+v, %v", rank, less, err)
		}
	}
	_, err := DefaultLoRA().Fit(10, 20, 459)
	if err == nil || err.Error() != "rank: 459 bytes are too few for the base of a 10×20 matrix and a path of rank 1, which take 460" {
		t.Error(err)
	}
	if got, err := DefaultLoftQ().Fit(64, 64, 1<<30); err != nil || got.Rank != 64 {
		t.Error(got, err)
	}
}

func TestErrors(t *testing.T) {
	for _, errs := range [][]error{DefaultLoRA().Check(), DefaultQLoRA().Check(), DefaultLoftQ().Check()} {
		if errs != nil {
			t.Error(errs)
		}
	}
	var texts []string
	for _, e := range (LoftQOptions{Bits: 5, Rank: 0, Rounds: 11}).Check() {
		texts = append(texts, e.Error())
	}
	want := "bits: 5, want one of 2, 3, 4|block: 0, want 1 or more weights|rank: 0, want at least 1|rounds: 11, want 1 to 10"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	nan := normal(12, 1)
	nan[7] = float32(math.NaN())
	o := DefaultLoftQ()
	o.Rank = 2
	if _, _, err := LoftQ(gemm.Config{}, nan, 3, 4, o, 0); err == nil || err.Error() != "loftq: nf4: weight [1,3] is NaN" {
		t.Error(err)
	}
	// Constant and zero rows, and width 1, are like any other.
	for _, w := range [][]float32{make([]float32, 12), {1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2}} {
		for _, d := range [][2]int{{3, 4}, {12, 1}, {1, 12}} {
			o.Rank = 1
			sum, errs, err := LoftQ(gemm.Config{}, w, d[0], d[1], o, 0)
			if err != nil || !(errs[0] <= 0.2) {
				t.Errorf("%v: errors %v, %v", d, errs, err)
				continue
			}
			if err := sum.Check(); err != nil {
				t.Error(err)
			}
		}
	}
}
