package gemm

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestThreads checks that the number of threads changes no bit.
func TestThreads(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, p := range []problem{
			{tb: true, m: 130, n: 259, k: 300, alpha: 1},
			{m: 37, n: 700, k: 520, alpha: -1, beta: 1},
			{ta: true, m: 701, n: 39, k: 270, alpha: 1, beta: 0.5},
			{ta: true, tb: true, m: 65, n: 333, k: 260, alpha: 1},
			{tb: true, m: 3, n: 1001, k: 1100, alpha: 1, beta: 1},
			{tb: true, m: 1003, n: 2, k: 1100, alpha: 1},
			{ta: true, syrk: true, m: 391, n: 391, k: 300, alpha: 2, beta: 1},
			{syrk: true, m: 205, n: 205, k: 513, alpha: 1},
		} {
			p = p.fill(r, 1)
			want := p.run(Config{ISA: isa, Threads: 1})
			p.check(t, want)
			for _, threads := range []int{2, 3, 5, 16} {
				if got := p.run(Config{ISA: isa, Threads: threads}); !sameBits(got.memory, want.memory) {
					t.Errorf("%v: %d threads differ from one", p, threads)
				}
			}
		}
	})
}

// TestEdgeTiles checks that an element has the same bits wherever it lies in
// its tile: the product of some rows is those rows of the product.
func TestEdgeTiles(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		r := rand.New(rand.NewPCG(9, 10))
		p := problem{tb: true, m: 41, n: 77, k: 65, alpha: 0.75, beta: 0.5}.fill(r, 0)
		cfg := Config{ISA: isa, Threads: 1}
		whole := p.run(cfg)
		const i0, j0 = 5, 11
		part := p.c.clone()
		cfg.Gemm(false, true, p.m-i0, p.n-j0, p.k, p.alpha, p.a.data()[i0*p.a.ld:], p.a.ld,
			p.b.data()[j0*p.b.ld:], p.b.ld, p.beta, part.data()[i0*part.ld+j0:], part.ld)
		for i := i0; i < p.m; i++ {
			if !sameBits(part.row(i)[j0:], whole.row(i)[j0:]) {
				t.Fatalf("row %d differs", i)
			}
		}
	})
}

// TestNotRead checks that A and B are not read if alpha is 0 and that values
// that are not finite arrive in C only where they belong.
func TestNotRead(t *testing.T) {
	eachISA(t, func(t *testing.T, isa ISA) {
		cfg := Config{ISA: isa, Threads: 1}
		nan := []float32{guard, guard, guard, guard}
		c := []float32{1, 2, 3, 4}
		cfg.Gemm(false, true, 2, 2, 2, 0, nan, 2, nan, 2, 0.5, c, 2)
		if want := []float32{0.5, 1, 1.5, 2}; !slices.Equal(c, want) {
			t.Errorf("alpha 0: %v, want %v", c, want)
		}
		// Row 3 of A is NaN: only row 3 of C is.
		const m, n, k = 13, 33, 9
		a, b := newMatrix(m, k, 0), newMatrix(k, n, 0)
		for i := range m {
			for p := range k {
				if i != 3 {
					a.row(i)[p] = 1
				}
			}
		}
		for p := range k {
			for j := range n {
				b.row(p)[j] = 1
			}
		}
		out := newMatrix(m, n, 0)
		cfg.Gemm(false, false, m, n, k, 1, a.data(), k, b.data(), n, 0, out.data(), n)
		for i := range m {
			for j, v := range out.row(i) {
				if i == 3 && v == v || i != 3 && v != k {
					t.Fatalf("C[%d,%d] = %g", i, j, v)
				}
			}
		}
	})
}

func TestPanics(t *testing.T) {
	v := func(n int) []float32 { return make([]float32, n) }
	cfg := Config{ISA: Generic, Threads: 1}
	for _, c := range []struct {
		name, want string
		f          func()
	}{
		{"short A", "gemm: A has 5 values, want at least 6 (2×3, leading dimension 3)",
			func() { cfg.Gemm(false, false, 2, 2, 3, 1, v(5), 3, v(6), 2, 0, v(4), 2) }},
		{"short B transposed", "gemm: B has 6 values, want at least 7 (2×3, leading dimension 4)",
			func() { cfg.Gemm(false, true, 2, 2, 3, 1, v(6), 3, v(6), 4, 0, v(4), 2) }},
		{"short C", "gemm: C has 3 values, want at least 4 (2×2, leading dimension 2)",
			func() { cfg.Gemm(false, false, 2, 2, 3, 1, v(6), 3, v(6), 2, 0, v(3), 2) }},
		{"leading dimension", "gemm: leading dimension of A is 2, want at least 3",
			func() { cfg.Gemm(false, false, 2, 2, 3, 1, v(6), 2, v(6), 2, 0, v(4), 2) }},
		{"negative", "gemm: negative size: m 2, n -1, k 3",
			func() { cfg.Gemm(false, false, 2, -1, 3, 1, v(6), 3, v(6), 2, 0, v(4), 2) }},
		{"syrk short C", "gemm: C has 8 values, want at least 9 (3×3, leading dimension 3)",
			func() { cfg.SyrkLower(true, 3, 2, 1, v(6), 3, 0, v(8), 3) }},
		{"ISA", `gemm: ISA: unknown "vax", want one of [`,
			func() { Config{ISA: "vax"}.SyrkLower(false, 1, 1, 1, v(1), 1, 0, v(1), 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				var got string
				switch r := recover().(type) {
				case string:
					got = r
				case error:
					got = r.Error()
				}
				if !strings.HasPrefix(got, c.want) {
					t.Errorf("panic %q, want %q", got, c.want)
				}
			}()
			c.f()
		})
	}
}

func TestResolve(t *testing.T) {
	isas := Available()
	if isas[len(isas)-1] != Generic {
		t.Errorf("Available() = %v, want generic as the last", isas)
	}
	got, err := Config{}.Resolve()
	if want := (Config{isas[0], runtime.GOMAXPROCS(0)}); err != nil || got != want {
		t.Errorf("Resolve() = %v, %v, want %v", got, err, want)
	}
	got, err = Config{ISA: Generic, Threads: 3}.Resolve()
	if want := (Config{Generic, 3}); err != nil || got != want {
		t.Errorf("Resolve() = %v, %v, want %v", got, err, want)
	}
	for _, c := range []Config{{ISA: "vax"}, {Threads: -1}} {
		if got, err := c.Resolve(); err == nil {
			t.Errorf("%v.Resolve() = %v, want an error", c, got)
		}
	}
	for _, isa := range []ISA{AVX2, AVX512} {
		if _, err := (Config{ISA: isa}).Resolve(); (err == nil) != slices.Contains(isas, isa) {
			t.Errorf("Resolve of %s: %v, but available are %v", isa, err, isas)
		}
	}
}

func TestParallel(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		for _, n := range []int{0, 1, 5, 100} {
			counts := make([]atomic.Int32, n)
			Config{Threads: threads}.Parallel(n, func(i int) { counts[i].Add(1) })
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Errorf("%d threads, n = %d: f(%d) was called %d times", threads, n, i, c)
				}
			}
		}
	}
}
