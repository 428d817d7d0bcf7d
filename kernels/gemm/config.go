package gemm

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// An ISA names an instruction set that a kernel needs.
type ISA string

// The instruction sets with a kernel. Auto is the best one of this machine.
const (
	Auto    ISA = ""
	Generic ISA = "generic" // any machine, no assembly
	AVX2    ISA = "avx2"    // AVX2 and FMA
	AVX512  ISA = "avx512"  // AVX512F
)

// A Config says how to compute. The zero value uses the best instruction set
// and all of GOMAXPROCS.
type Config struct {
	ISA     ISA
	Threads int // 0 is GOMAXPROCS
}

// Available returns the instruction sets that this machine, its operating
// system and this build support, best first; Generic is always the last.
func Available() []ISA {
	var isas []ISA
	for _, k := range kernels() {
		isas = append(isas, k.isa)
	}
	return isas
}

// Resolve replaces Auto by the best instruction set and 0 threads by
// GOMAXPROCS. It fails if the ISA is unknown or not in Available, or the
// number of threads is negative.
func (c Config) Resolve() (Config, error) {
	if c.Threads < 0 {
		return c, fmt.Errorf("gemm: threads: %d, want 0 or more", c.Threads)
	}
	k, err := c.kernel()
	if err != nil {
		return c, err
	}
	c.ISA, c.Threads = k.isa, c.threads()
	return c, nil
}

// kernel returns the kernel of c.ISA.
func (c Config) kernel() (*kernel, error) {
	for _, k := range kernels() {
		if c.ISA == Auto || c.ISA == k.isa {
			return k, nil
		}
	}
	switch c.ISA {
	case AVX2, AVX512:
		return nil, fmt.Errorf("gemm: ISA: %s is not available here, want one of %v", c.ISA, Available())
	}
	return nil, fmt.Errorf("gemm: ISA: unknown %q, want one of %v", c.ISA, Available())
}

func (c Config) threads() int {
	if c.Threads > 0 {
		return c.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel calls f(0), …, f(n-1), each once, from c.Threads goroutines of
// which the caller's is one, and returns when all are done. Indices are
// handed out in rising order to whichever goroutine is free.
func (c Config) Parallel(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var wg sync.WaitGroup
	for range min(c.threads(), n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
