package cpu_test

import (
	"os"
	"slices"
	"testing"

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

// TestThreads checks that results do not depend on the number of threads. Odd
// numbers leave pieces over.
func TestThreads(t *testing.T) {
	everyISA(t, func(t *testing.T, isa gemm.ISA) {
		for _, threads := range []int{2, 3} {
			kerneltest.Same(t, open(t, isa, 1), open(t, isa, threads))
		}
	})
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
