package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// levelsKernels writes the kernels of Levels.
func levelsKernels() {
	for _, bits := range []int{2, 3, 4} {
		levelsRow(bits)
	}
}

// levelsRow writes a kernel that looks codes up in one register, or for 4 bits
// in two, of which the fourth bit of a code chooses.
func levelsRow(bits int) {
	v := avx2
	name := fmt.Sprintf("levelsRow%d%s", bits, v.name)
	TEXT(name, NOSPLIT, "func(codes *byte, x, levels, scale *float32, groups, blocks int) float32")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s returns Σ_g scale[g]·Σ levels[code]·x for groups of blocks·64 codes, with one", name),
		fmt.Sprintf("table of %d levels. x is interleaved for 8 lanes.", 1<<bits))
	codes, x := Load(Param("codes"), GP64()), Load(Param("x"), GP64())
	table, scale := Load(Param("levels"), GP64()), Load(Param("scale"), GP64())
	groups, blocks := Load(Param("groups"), GP64()), Load(Param("blocks"), GP64())
	load := v.blockLoader(bits)
	low, high := YMM(), YMM()
	switch bits {
	case 2:
		VBROADCASTF128(Mem{Base: table}, low)
	case 4:
		VMOVUPS(Mem{Base: table, Disp: 32}, high)
		fallthrough
	case 3:
		VMOVUPS(Mem{Base: table}, low)
	}
	total := v.zero()
	acc := []reg.VecVirtual{YMM(), YMM()}
	n := GP64()
	Label("group")
	for _, a := range acc {
		v.clear(a)
	}
	MOVQ(blocks, n)
	Label("block")
	block := YMM()
	load(codes, block)
	for k := range 8 {
		index, t := block, YMM()
		if k > 0 {
			index = YMM()
			VPSRLD(U8(bits*k), block, index)
		}
		v.lookup(bits, index, low, t)
		if bits == 4 {
			upper, choice := YMM(), block
			VPERMPS(high, index, upper)
			if k < 7 { // the last code has its fourth bit on top already
				choice = YMM()
				VPSLLD(U8(28-4*k), block, choice)
			}
			VBLENDVPS(choice, upper, t, t)
		}
		VFMADD231PS(Mem{Base: x, Disp: k * v.bytes()}, t, acc[k%2])
	}
	ADDQ(U32(8*bits), codes)
	ADDQ(U32(8*v.bytes()), x)
	DECQ(n)
	JNZ(LabelRef("block"))
	s := YMM()
	VBROADCASTSS(Mem{Base: scale}, s)
	VADDPS(acc[1], acc[0], acc[0])
	VFMADD231PS(s, acc[0], total)
	ADDQ(U8(4), scale)
	DECQ(groups)
	JNZ(LabelRef("group"))
	r := v.sum(total)
	VZEROUPPER()
	Store(r, ReturnIndex(0))
	RET()
}
