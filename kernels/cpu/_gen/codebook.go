package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// codebookKernels writes the kernels of Codebook.
func codebookKernels(v vector) {
	for _, bits := range []int{2, 3, 4} {
		if bits == 4 && v.lanes == 8 {
			codebookRow4AVX2()
		} else {
			v.codebookRow(bits)
		}
	}
}

// codebookText begins a kernel and loads its arguments.
func codebookText(v vector, bits int, order string) (codes, x, table, groups, blocks reg.Register) {
	name := fmt.Sprintf("codebookRow%d%s", bits, v.name)
	TEXT(name, NOSPLIT, "func(codes *byte, x *float32, table *uint16, groups, blocks int) float32")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s returns Σ table[code]·x for groups of blocks·%d codes, each with a", name, 8*v.lanes),
		fmt.Sprintf("table of %d f16 values. x is %s.", 1<<bits, order))
	return Load(Param("codes"), GP64()), Load(Param("x"), GP64()), Load(Param("table"), GP64()),
		Load(Param("groups"), GP64()), Load(Param("blocks"), GP64())
}

// codebookLoop writes the loops over groups and blocks.
func codebookLoop(v vector, bits int, codes, x, table, groups, blocks reg.Register, loadTable, block func()) {
	Label("group")
	loadTable()
	n := GP64()
	MOVQ(blocks, n)
	Label("block")
	block()
	ADDQ(U32(v.lanes*bits), codes)
	ADDQ(U32(8*v.bytes()), x)
	DECQ(n)
	JNZ(LabelRef("block"))
	ADDQ(U8(2<<bits), table)
	DECQ(groups)
	JNZ(LabelRef("group"))
}

// codebookReturn adds up and returns.
func codebookReturn(v vector, acc []reg.VecVirtual) {
	r := v.sum(fold(acc))
	VZEROUPPER()
	Store(r, ReturnIndex(0))
	RET()
}

// codebookRow writes a kernel that looks codes up in a register. The lookups
// read the lowest bits of each lane and ignore those above, except that the
// 16-entry lookup of AVX-512 reads a fourth bit: its 3-bit table is there
// twice.
func (v vector) codebookRow(bits int) {
	codes, x, table, groups, blocks := codebookText(v, bits, fmt.Sprintf("interleaved for %d lanes", v.lanes))
	load := v.blockLoader(bits)
	acc := v.accumulators(4)
	values := v.reg()
	codebookLoop(v, bits, codes, x, table, groups, blocks, func() {
		v.loadTable(bits, table, values)
	}, func() {
		block := v.reg()
		load(codes, block)
		for k := range 8 {
			t := v.reg()
			if k == 0 {
				v.lookup(bits, block, values, t)
			} else {
				VPSRLD(U8(bits*k), block, t)
				v.lookup(bits, t, values, t)
			}
			VFMADD231PS(Mem{Base: x, Disp: k * v.bytes()}, t, acc[k%4])
		}
	})
	codebookReturn(v, acc)
}

// loadTable widens a table into a register, repeated to fill it.
func (v vector) loadTable(bits int, table reg.Register, dst reg.VecVirtual) {
	m := Mem{Base: table}
	switch {
	case bits == 2:
		x := XMM()
		VCVTPH2PS(m, x)
		if v.lanes == 8 {
			VINSERTF128(U8(1), x, x.AsY(), dst)
		} else {
			VSHUFF32X4(U8(0), x.AsZ(), x.AsZ(), dst)
		}
	case bits == 3 && v.lanes == 16:
		y := YMM()
		VCVTPH2PS(m, y)
		VINSERTF64X4(U8(1), y, y.AsZ(), dst)
	default:
		VCVTPH2PS(m, dst)
	}
}

// lookup sets dst = values[low bits of codes].
func (v vector) lookup(bits int, codes, values, dst reg.VecVirtual) {
	if bits == 2 {
		VPERMILPS(codes, values, dst)
		return
	}
	VPERMPS(values, codes, dst)
}

// codebookRow4AVX2 writes the 4-bit kernel for registers that cannot hold
// sixteen float32. The values are cut into planes of their bytes (an f16 value
// has at most three bytes that are not zero as float32), each plane is one
// byte shuffle for 32 codes, and unpacking puts the bytes together again:
// 11 shuffles for 32 values, where two 8-entry lookups and a choice between
// them would take 16 operations of half the rate.
func codebookRow4AVX2() {
	v := avx2
	codes, x, table, groups, blocks := codebookText(v, 4, "in the order of interleavePlanes")
	low := v.constant(0x0f0f0f0f)
	zero := v.zero()
	acc := v.accumulators(4)
	planes := []reg.VecVirtual{YMM(), YMM(), YMM()} // bytes 3, 2 and 1
	codebookLoop(v, 4, codes, x, table, groups, blocks, func() {
		loadPlanes(table, planes)
	}, func() {
		block, high := YMM(), YMM()
		v.load(Mem{Base: codes}, block)
		VPSRLD(U8(4), block, high)
		VPAND(low, block, block)
		VPAND(low, high, high)
		for half, index := range []reg.VecVirtual{block, high} {
			b3, b2, b1 := YMM(), YMM(), YMM()
			VPSHUFB(index, planes[0], b3)
			VPSHUFB(index, planes[1], b2)
			VPSHUFB(index, planes[2], b1)
			top, bottom := YMM(), YMM() // upper and lower 16 bits
			use := func(k int) {
				lo, hi := YMM(), YMM()
				VPUNPCKLWD(top, bottom, lo)
				VPUNPCKHWD(top, bottom, hi)
				at := (4*half + k) * v.bytes()
				VFMADD231PS(Mem{Base: x, Disp: at}, lo, acc[k])
				VFMADD231PS(Mem{Base: x, Disp: at + v.bytes()}, hi, acc[k+1])
			}
			VPUNPCKLBW(b3, b2, top)
			VPUNPCKLBW(b1, zero, bottom)
			use(0)
			VPUNPCKHBW(b3, b2, top)
			VPUNPCKHBW(b1, zero, bottom)
			use(2)
		}
	})
	codebookReturn(v, acc)
}

// loadPlanes widens a table of 16 values and sets planes to bytes 3, 2 and 1
// of them, in both halves of a register.
func loadPlanes(table reg.Register, planes []reg.VecVirtual) {
	a, b := YMM(), YMM()
	VCVTPH2PS(Mem{Base: table}, a)
	VCVTPH2PS(Mem{Base: table, Disp: 16}, b)
	// Within each half: word 0 = bytes 3, word 1 = bytes 2, word 2 = bytes 1
	// of its four values.
	m := data("bytesOf4", 0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x80808080, 0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x80808080)
	VPSHUFB(m, a, a)
	VPSHUFB(m, b, b)
	// ab = a0 b0 a1 b1 per half, a0 being word 0 of a.
	ab, order := YMM(), YMM()
	VPUNPCKLDQ(b, a, ab)
	VMOVDQU(data("evenWords", 0, 4, 1, 5, 0, 4, 1, 5), order)
	VPERMD(ab, order, planes[0])
	c := YMM()
	VPUNPCKHDQ(b, a, c)
	VPERMD(c, order, planes[2])
	VMOVDQU(data("oddWords", 2, 6, 3, 7, 2, 6, 3, 7), order)
	VPERMD(ab, order, planes[1])
}
