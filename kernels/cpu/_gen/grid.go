package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gridKernels writes the kernels of Grid.
func gridKernels(v vector) {
	for _, bits := range []int{2, 3, 4, 8} {
		v.gridRow(bits)
	}
	if v.lanes == 8 {
		widenF16()
		unpackZeros()
	}
}

// gridRow writes the product of one row of a grid with one vector.
func (v vector) gridRow(bits int) {
	name := fmt.Sprintf("gridRow%d%s", bits, v.name)
	TEXT(name, NOSPLIT, "func(codes *byte, x, sums, scale, zero *float32, groups, blocks int) float32")
	Pragma("noescape")
	Doc(name+" returns Σ_g scale[g]·(Σ code·x - zero[g]·sums[g]) for groups of blocks·"+fmt.Sprint(8*v.lanes)+" codes.",
		fmt.Sprintf("x is interleaved for %d bits and %d lanes.", bits, v.lanes))
	codes, x, sums := Load(Param("codes"), GP64()), Load(Param("x"), GP64()), Load(Param("sums"), GP64())
	scale, zero := Load(Param("scale"), GP64()), Load(Param("zero"), GP64())
	groups, blocks := Load(Param("groups"), GP64()), Load(Param("blocks"), GP64())
	term := v.gridTerms(bits, codes)
	total := v.zero()
	acc := make([]reg.VecVirtual, 4)
	for i := range acc {
		acc[i] = v.reg()
	}

	Label("group")
	for _, a := range acc {
		v.clear(a)
	}
	n := GP64()
	MOVQ(blocks, n)

	Label("block")
	value := term()
	for k := range 8 {
		VFMADD231PS(Mem{Base: x, Disp: k * v.bytes()}, value(k), acc[k%4])
	}
	ADDQ(U32(v.lanes*bits), codes)
	ADDQ(U32(8*v.bytes()), x)
	DECQ(n)
	JNZ(LabelRef("block"))

	// zero·sums in the lowest lane; the scalar product clears the others.
	sum, product := fold(acc), v.reg()
	VMOVSS(Mem{Base: sums}, product.AsX())
	VMULSS(Mem{Base: zero}, product.AsX(), product.AsX())
	VSUBPS(product, sum, sum)
	s := v.reg()
	VBROADCASTSS(Mem{Base: scale}, s)
	VFMADD231PS(s, sum, total)
	ADDQ(U8(4), sums)
	ADDQ(U8(4), zero)
	ADDQ(U8(4), scale)
	DECQ(groups)
	JNZ(LabelRef("group"))

	r := v.sum(total)
	VZEROUPPER()
	Store(r, ReturnIndex(0))
	RET()
}

// gridTerms prepares the decoding of blocks. Called once per block, what it
// returns gives a func whose k-th value is code 8j+k of every lane j as
// float32, times 2^(bits·(k mod 4)): the mask leaves the code where it stands,
// after one shift for the upper four, and the interleaved x carries the
// inverse power. Codes of 8 bits come in their order.
func (v vector) gridTerms(bits int, codes reg.Register) func() func(k int) reg.VecVirtual {
	if bits == 8 {
		return func() func(k int) reg.VecVirtual {
			return func(k int) reg.VecVirtual {
				t := v.reg()
				VPMOVZXBD(Mem{Base: codes, Disp: k * v.lanes}, t)
				VCVTDQ2PS(t, t)
				return t
			}
		}
	}
	masks := make([]reg.VecVirtual, 4)
	for k := range masks {
		masks[k] = v.constant((1<<bits - 1) << (bits * k))
	}
	load := v.blockLoader(bits)
	return func() func(k int) reg.VecVirtual {
		block := v.reg()
		load(codes, block)
		return func(k int) reg.VecVirtual {
			if k == 4 {
				VPSRLD(U8(4*bits), block, block)
			}
			t := v.reg()
			v.and(masks[k%4], block, t)
			VCVTDQ2PS(t, t)
			return t
		}
	}
}

// widenF16 writes the conversion of f16 values.
func widenF16() {
	TEXT("widenF16AVX2", NOSPLIT, "func(dst *float32, src *uint16, n int)")
	Pragma("noescape")
	Doc("widenF16AVX2 widens 8·n f16 values.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	t := YMM()
	VCVTPH2PS(Mem{Base: src}, t)
	VMOVUPS(t, Mem{Base: dst})
	ADDQ(U8(16), src)
	ADDQ(U8(32), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// unpackZeros writes the conversion of packed codes to float32.
func unpackZeros() {
	TEXT("unpackAVX2", NOSPLIT, "func(dst *float32, src *byte, n, bits int)")
	Pragma("noescape")
	Doc("unpackAVX2 writes 8·n codes of at most 4 bits as float32. It reads 4 bytes for every",
		"8 codes, the last 4-bits of them past what it needs.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n, bits := Load(Param("n"), GP64()), Load(Param("bits"), GP64())
	width, shifts := YMM(), YMM()
	VMOVD(bits.(reg.GP).As32(), width.AsX())
	VPBROADCASTD(width.AsX(), width)
	VPMULLD(data("iota8", 0, 1, 2, 3, 4, 5, 6, 7), width, shifts)
	// mask = ^(^0 << bits)
	mask := YMM()
	VPCMPEQD(mask, mask, mask)
	VPSLLVD(width, mask, mask)
	Label("loop")
	t := YMM()
	VPBROADCASTD(Mem{Base: src}, t)
	VPSRLVD(shifts, t, t)
	VPANDN(t, mask, t)
	VCVTDQ2PS(t, t)
	VMOVUPS(t, Mem{Base: dst})
	ADDQ(bits, src)
	ADDQ(U8(32), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
