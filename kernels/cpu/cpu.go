// Package cpu implements kernels.Device on the processor, in Go with assembly
// for the inner loops where the machine allows it. The portable files say what
// is computed; the assembly, made by avo (_gen), computes the same within
// rounding. Results do not depend on the number of threads.
//
// It keeps packed weights as they are: up to maxVectors tokens are multiplied
// straight from the packed bytes, more by expanding blocks of rows, at most
// 8 MB at a time, for kernels/gemm.
package cpu

import (
	"fmt"
	"runtime"

	"github.com/sketchbench/sketchbench/kernels"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Options says how a Device computes. The zero value uses the best instruction
// set of the machine and all of GOMAXPROCS.
type Options struct {
	ISA     gemm.ISA
	Threads int // 0 is GOMAXPROCS
}

// A Device computes on the processor. It is safe for use by one goroutine at
// a time.
type Device struct {
	cfg  gemm.Config // ISA and Threads resolved
	one  gemm.Config // the same with one thread, for use inside parallel parts
	leaf leaves
}

var _ kernels.Device = (*Device)(nil)

// Available lists the instruction sets that this machine has kernels for,
// best first; gemm.Generic is always the last.
func Available() []gemm.ISA {
	var list []gemm.ISA
	for _, isa := range gemm.Available() {
		if _, ok := leavesOf(isa); ok {
			list = append(list, isa)
		}
	}
	return list
}

// New returns a device. It is an error if the machine lacks the instruction
// set or the number of threads is negative.
func New(opts Options) (*Device, error) {
	if opts.Threads < 0 {
		return nil, fmt.Errorf("cpu: threads: %d, want at least 0", opts.Threads)
	}
	if opts.Threads == 0 {
		opts.Threads = runtime.GOMAXPROCS(0)
	}
	if opts.ISA == gemm.Auto {
		opts.ISA = Available()[0]
	}
	cfg, err := gemm.Config{ISA: opts.ISA, Threads: opts.Threads}.Resolve()
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	leaf, ok := leavesOf(cfg.ISA)
	if !ok {
		return nil, fmt.Errorf("cpu: isa %q: not in this build or machine, want one of %v", cfg.ISA, Available())
	}
	one := cfg
	one.Threads = 1
	return &Device{cfg: cfg, one: one, leaf: leaf}, nil
}

// Name returns "cpu/" and the instruction set.
func (d *Device) Name() string { return "cpu/" + string(d.cfg.ISA) }

// Sync returns nil: every operation is complete when it returns.
func (d *Device) Sync() error { return nil }

// Close does nothing; buffers and matrices are left to the collector.
func (d *Device) Close() error { return nil }

// minWork is the number of multiply-adds below which a second goroutine costs
// more than it saves: starting one and waiting for it takes about 2 µs, in
// which one core does some 20,000.
const minWork = 1 << 16

// parallel calls f for pieces [i,j) of 0..n-1 that cover it, each step
// long but the last, on the device's threads if the whole is worth it. work is the number
// of multiply-adds of all. What f computes for an index must not depend on
// the piece that it comes in.
func (d *Device) parallel(n, step, work int, f func(i, j int)) {
	pieces := (n + step - 1) / step
	piece := func(p int) { f(p*step, min((p+1)*step, n)) }
	if d.cfg.Threads == 1 || work < minWork {
		for p := range pieces {
			piece(p)
		}
		return
	}
	d.cfg.Parallel(pieces, piece)
}
