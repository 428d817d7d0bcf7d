package subject

import (
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/asvd"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/compress/svdllm"
	"github.com/sketchbench/sketchbench/internal/compress/twopath"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var twopathFixtures = []fixture{{
	method: "lora",
	decode: map[string]string{"rank": "8"},
	sizes:  []any{&twopath.LoRAOptions{Rank: 1}, &twopath.LoRAOptions{Rank: 16}},
	kinds:  []packed.Kind{packed.KindSum},
}, {
	method: "qlora",
	decode: map[string]string{"rank": "8", "block": "32", "double-quant": "false"},
	sizes:  []any{&twopath.QLoRAOptions{Rank: 1, Block: 64}, &twopath.QLoRAOptions{Rank: 16, Block: 100, DoubleQuant: true}},
	kinds:  []packed.Kind{packed.KindSum},
}, {
	method: "loftq",
	decode: map[string]string{"bits": "2", "rank": "8", "rounds": "5", "block": "32", "double-quant": "true"},
	sizes: []any{
		&twopath.LoftQOptions{Bits: 2, Rank: 1, Rounds: 2, Block: 64}, &twopath.LoftQOptions{Bits: 3, Rank: 16, Rounds: 1, Block: 100},
		&twopath.LoftQOptions{Bits: 4, Rank: 16, Rounds: 1, Block: 64, DoubleQuant: true},
	},
	kinds: []packed.Kind{packed.KindSum},
	golden: func(t *testing.T) map[string]*Case {
		return map[string]*Case{
			"bits=2 rounds=3": newCase(t, "loftq", func(o *twopath.LoftQOptions) { o.Bits, o.Rounds = 2, 3 }),
		}
	},
}}

// TestLowRankShapes: matrices of zeros, of constant rows, of one row and of one
// column are compressed like any other, with a finite result; a rank above the
// smaller side is refused with the ranks that there are.
func TestLowRankShapes(t *testing.T) {
	cfg := gemmConfig(t)
	for _, name := range []string{"svd", "asvd", "svdllm", "lora", "qlora", "loftq"} {
		m, _ := LookupMethod(name)
		for _, shape := range [][2]int{{6, 9}, {1, 12}, {12, 1}} {
			out, in := shape[0], shape[1]
			o, err := m.Fit(m.New(), out, in, 1<<20)
			if err != nil {
				t.Fatalf("%s %v: %v", name, shape, err)
			}
			if err := m.CheckShape(o, out, in); err != nil {
				t.Errorf("%s %v: %v", name, shape, err)
			}
			for what, value := range map[string]func(r int) float32{
				"zero": func(int) float32 { return 0 }, "constant": func(r int) float32 { return float32(r%3) - 1 },
			} {
				x := randomMatrix(t, cfg, out, in)
				for i := range x.W {
					x.W[i] = value(i / in)
				}
				w, err := m.Compress(x, o)
				if err == nil {
					err = w.Check()
				}
				if err != nil {
					t.Errorf("%s %s %v: %v", name, what, shape, err)
					continue
				}
				got := make([]float32, out*in)
				w.Dequantize(got, 0, out)
				for i, v := range got {
					if want := value(i / in); !(math.Abs(float64(v-want)) <= 0x1p-8) {
						t.Fatalf("%s %s %v: Ŵ[%d] = %v, want %v at full rank", name, what, shape, i, v, want)
					}
				}
			}
		}
	}
	for method, o := range map[string]any{
		"svd": &svd.Options{Rank: 65}, "asvd": &asvd.Options{Rank: 65}, "svdllm": &svdllm.Options{Rank: 65},
		"lora": &twopath.LoRAOptions{Rank: 65}, "qlora": &twopath.QLoRAOptions{Rank: 65}, "loftq": &twopath.LoftQOptions{Rank: 65},
	} {
		m, _ := LookupMethod(method)
		if err := m.CheckShape(o, 64, 172); err == nil || err.Error() != "rank: 65 for a 64×172 matrix, want at most 64" {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestLowRankFit: what fits takes at most the target, and one rank more does not
// fit; too few bytes are refused with those of the smallest.
func TestLowRankFit(t *testing.T) {
	for _, name := range []string{"svd", "asvd", "svdllm", "lora", "qlora", "loftq"} {
		m, _ := LookupMethod(name)
		least, err := m.Fit(m.New(), 64, 172, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		whole := m.StoredBytes(least, 64, 172)
		for target := whole - 5*472; target < whole; target += 100 {
			o, err := m.Fit(m.New(), 64, 172, target)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n := m.StoredBytes(o, 64, 172); n > target || n+2*(64+172) <= target {
				t.Errorf("%s: %d bytes for %d", name, n, target)
			}
		}
		if _, err := m.Fit(m.New(), 64, 172, 471); err == nil || !strings.Contains(err.Error(), "471 bytes are too few for ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
