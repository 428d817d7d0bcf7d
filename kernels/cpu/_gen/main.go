// Command _gen writes the assembly of kernels/cpu. It is a module of its own
// so that the project does not depend on avo. `make asm` runs it.
package main

//go:generate go run . -family dense -out ../dense_amd64.s -stubs ../dense_amd64.go -pkg cpu
//go:generate go run . -family grid -out ../grid_amd64.s -stubs ../grid_amd64.go -pkg cpu
//go:generate go run . -family codebook -out ../codebook_amd64.s -stubs ../codebook_amd64.go -pkg cpu
//go:generate go run . -family cells -out ../cells_amd64.s -stubs ../cells_amd64.go -pkg cpu
//go:generate go run . -family levels -out ../levels_amd64.s -stubs ../levels_amd64.go -pkg cpu
//go:generate go run . -family probe -out ../probe_amd64.s -stubs ../probe_amd64.go -pkg cpu
//go:generate go run . -family exp -out ../exp_amd64.s -stubs ../exp_amd64.go -pkg cpu

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	family := flag.String("family", "", "kernels to write: dense, grid, codebook, exp, probe, cells or levels")
	flag.Parse()
	ConstraintExpr("!noasm")
	if *family == "cells" {
		competeCells()
		cellValues()
		largestCells()
		Generate()
		return
	}
	if *family == "levels" {
		levelsKernels()
		Generate()
		return
	}
	for _, v := range []vector{avx2, avx512} {
		switch *family {
		case "dense":
			dense(v)
		case "grid":
			gridKernels(v)
		case "codebook":
			codebookKernels(v)
		case "exp":
			exponentials(v)
		case "probe":
			probes(v)
		default:
			log.Fatalf("family %q, want dense, grid, codebook, exp, probe, cells or levels", *family)
		}
	}
	Generate()
}

// A vector is a register width.
type vector struct {
	name  string // suffix of function names
	lanes int    // float32 values per register
}

var (
	avx2   = vector{"AVX2", 8}
	avx512 = vector{"AVX512", 16}
)

// reg returns a new vector register.
func (v vector) reg() reg.VecVirtual {
	if v.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

// bytes returns the bytes of a register.
func (v vector) bytes() int { return 4 * v.lanes }

// zero returns a register of zeros.
func (v vector) zero() reg.VecVirtual {
	r := v.reg()
	v.clear(r)
	return r
}

// clear zeroes a register.
func (v vector) clear(r reg.VecVirtual) {
	if v.lanes == 16 {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// and sets dst = a AND b.
func (v vector) and(a, b Op, dst reg.VecVirtual) {
	if v.lanes == 16 {
		VPANDD(a, b, dst)
		return
	}
	VPAND(a, b, dst)
}

// load reads a register from unaligned memory.
func (v vector) load(m Mem, dst reg.VecVirtual) {
	if v.lanes == 16 {
		VMOVDQU32(m, dst)
		return
	}
	VMOVDQU(m, dst)
}

// constant returns a register with the 32-bit value in all lanes.
func (v vector) constant(c uint32) reg.VecVirtual {
	t, x, r := GP32(), XMM(), v.reg()
	MOVL(U32(c), t)
	VMOVD(t, x)
	VPBROADCASTD(x, r)
	return r
}

// sum adds the lanes of r and returns the total in the lowest lane.
func (v vector) sum(r reg.VecVirtual) reg.VecVirtual {
	if v.lanes == 16 {
		hi := YMM()
		VEXTRACTF64X4(U8(1), r, hi)
		VADDPS(r.AsY(), hi, hi)
		r = hi
	}
	x := XMM()
	VEXTRACTF128(U8(1), r, x)
	VADDPS(r.AsX(), x, x)
	VHADDPS(x, x, x)
	VHADDPS(x, x, x)
	return x
}

// accumulators returns n zeroed registers.
func (v vector) accumulators(n int) []reg.VecVirtual {
	a := make([]reg.VecVirtual, n)
	for i := range a {
		a[i] = v.zero()
	}
	return a
}

// fold adds the registers, whose number is a power of two, to the first.
func fold(a []reg.VecVirtual) reg.VecVirtual {
	for n := len(a) / 2; n > 0; n /= 2 {
		for i := range n {
			VADDPS(a[i+n], a[i], a[i])
		}
	}
	return a[0]
}

// data defines read-only 32-bit words.
func data(name string, words ...uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i, w := range words {
		DATA(4*i, U32(w))
	}
	return m
}
