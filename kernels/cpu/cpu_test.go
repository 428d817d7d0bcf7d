package cpu_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
	"github.com/sketchbench/sketchbench/kernels/kerneltest"
)

// everyISA runs f for each instruction set. One that the machine lacks is
// skipped, unless SKETCHBENCH_REQUIRE_ISA names it.
func everyISA(t *testing.T, f func(t *testing.T, isa gemm.ISA)) {
	for _, isa := range []gemm.ISA{gemm.Generic, gemm.AVX2, gemm.AVX512} {
		t.Run(string(isa), func(t *testing.T) {
			if !slices.Contains(cpu.Available(), isa) {
				if os.Getenv("SKETCHBENCH_REQUIRE_ISA") == string(isa) {
					t.Fatalf("%s is required here and not available", isa)
				}
				t.Skipf("%s is not available", isa)
			}
			f(t, isa)
		})
	}
}

// open returns a device with the given instruction set.
func open(t testing.TB, isa gemm.ISA, threads int) *cpu.Device {
	t.Helper()
	d, err := cpu.New(cpu.Options{ISA: isa, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	if want := "cpu/" + string(isa); d.Name() != want {
		t.Fatalf("name %q, want %q", d.Name(), want)
	}
	return d
}

func TestConformance(t *testing.T) {
	everyISA(t, func(t *testing.T, isa gemm.ISA) { kerneltest.Run(t, open(t, isa, 1)) })
}

// TestAttentionIsCausal puts a NaN among the values of a late position, in the
// same tile of queries as earlier ones: those that must not see it do not.
func TestAttentionIsCausal(t *testing.T) {
	const n, bad, heads, dim = 20, 17, 2, 8
	everyISA(t, func(t *testing.T, isa gemm.ISA) {
		rnd := rand.New(rand.NewPCG(1, 1))
		random := func(n int) cpu.Buffer {
			b := make(cpu.Buffer, n)
			for i := range b {
				b[i] = float32(rnd.NormFloat64())
			}
			return b
		}
		q, k, v, y := random(n*heads*dim), random(n*dim), random(n*dim), make(cpu.Buffer, n*heads*dim)
		v[bad*dim+3] = float32(math.NaN())
		open(t, isa, 1).Attention(y, q, k, v, n, 0, heads, 1, dim)
		for i, x := range y {
			seen := i/(heads*dim) >= bad && i%dim == 3
			if math.IsNaN(float64(x)) != seen {
				t.Fatalf("query %d, channel %d: %v", i/(heads*dim), i%dim, x)
			}
		}
	})
}

// TestThreads checks that results do not depend on the number of threads. Odd
// numbers leave pieces over.
func TestThreads(t *testing.T) {
	everyISA(t, func(t *testing.T, isa gemm.ISA) {
		counts := []int{2, 3}
		if testing.Short() {
			counts = counts[1:]
		}
		for _, threads := range counts {
			kerneltest.Same(t, open(t, isa, 1), open(t, isa, threads))
		}
	})
}

// TestBlocks multiplies a matrix so wide that several blocks of rows are
// expanded one after another. All values are -1, 0 or 1, so that every sum is
// exact and has one right value.
func TestBlocks(t *testing.T) {
	const out, in, n = 40, 1<<16 + 100, 9
	rnd := rand.New(rand.NewPCG(1, 2))
	w := &packed.Dense{Out: out, In: in, DType: "BF16"}
	for range out * in {
		w.Data = binary.LittleEndian.AppendUint16(w.Data, packed.F32ToBF16(float32(rnd.IntN(3)-1)))
	}
	x := make(cpu.Buffer, n*in)
	for i := range x {
		x[i] = float32(rnd.IntN(3) - 1)
	}
	d := open(t, cpu.Available()[0], 2)
	m, err := d.Upload(w)
	if err != nil {
		t.Fatal(err)
	}
	y, one := make(cpu.Buffer, n*out), make(cpu.Buffer, out)
	d.Mul(y, x, n, m)
	for i := range n {
		d.Mul(one, x.Slice(i*in, (i+1)*in), 1, m)
		for r, want := range one {
			if got := y[i*out+r]; got != want {
				t.Fatalf("y[%d,%d] = %v, want %v", i, r, got, want)
			}
		}
	}
}

func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		opts cpu.Options
		want string
	}{
		{cpu.Options{Threads: -1}, "cpu: threads: -1, want at least 0"},
	} {
		if _, err := cpu.New(c.opts); err == nil || err.Error() != c.want {
			t.Errorf("New(%+v): %v, want %s", c.opts, err, c.want)
		}
	}
	if _, err := cpu.New(cpu.Options{ISA: "neon"}); err == nil {
		t.Error("New of an unknown instruction set: no error")
	}
}
