package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dense writes dot products of a row of F32, F16 or BF16 values with float32
// values, and the loops over float32 vectors that attention needs.
func dense(v vector) {
	v.dotOf("F32", 4, func(m Mem, x reg.VecVirtual) { VMOVUPS(m, x) }, func(m Mem, x reg.VecVirtual) { VMOVSS(m, x) })
	v.dotOf("F16", 2, func(m Mem, x reg.VecVirtual) { VCVTPH2PS(m, x) }, func(m Mem, x reg.VecVirtual) {
		t := GP32()
		MOVWLZX(m, t)
		VMOVD(t, x)
		VCVTPH2PS(x, x)
	})
	v.dotOf("BF16", 2, func(m Mem, x reg.VecVirtual) {
		VPMOVZXWD(m, x)
		VPSLLD(U8(16), x, x)
	}, func(m Mem, x reg.VecVirtual) {
		t := GP32()
		MOVWLZX(m, t)
		SHLL(U8(16), t)
		VMOVD(t, x)
	})
	v.axpy()
}

// dotOf writes a dot product. load widens one register of values, loadOne one
// value.
func (v vector) dotOf(dtype string, size int, load, loadOne func(Mem, reg.VecVirtual)) {
	name := "dot" + dtype + v.name
	TEXT(name, NOSPLIT, "func(w *byte, x []float32) float32")
	Pragma("noescape")
	Doc(name + " returns Σ w[i]·x[i] over x; w points to as many little-endian " + dtype + " values.")
	w, x, n := Load(Param("w"), GP64()), Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	acc := v.accumulators(8)
	tail := XMM()
	VXORPS(tail, tail, tail)

	step := func(label string, regs int) {
		Label(label)
		CMPQ(n, U32(regs*v.lanes))
		JL(LabelRef(label + "done"))
		for i := range regs {
			t := v.reg()
			load(Mem{Base: w, Disp: i * v.lanes * size}, t)
			VFMADD231PS(Mem{Base: x, Disp: i * v.bytes()}, t, acc[i])
		}
		ADDQ(U32(regs*v.lanes*size), w)
		ADDQ(U32(regs*v.bytes()), x)
		SUBQ(U32(regs*v.lanes), n)
		JMP(LabelRef(label))
		Label(label + "done")
	}
	step("eight", 8)
	step("one", 1)

	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	t := XMM()
	loadOne(Mem{Base: w}, t)
	VFMADD231SS(Mem{Base: x}, t, tail)
	ADDQ(U8(size), w)
	ADDQ(U8(4), x)
	DECQ(n)
	JMP(LabelRef("tail"))

	Label("done")
	s := v.sum(fold(acc))
	VADDSS(tail, s, s)
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

// axpy writes y += a·x.
func (v vector) axpy() {
	name := "axpy" + v.name
	TEXT(name, NOSPLIT, "func(y []float32, a float32, x []float32)")
	Pragma("noescape")
	Doc(name + " is axpyGeneric with fused multiply-adds.")
	y := Load(Param("y").Base(), GP64())
	one := Load(Param("a"), XMM())
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	a := v.reg()
	VBROADCASTSS(one, a)

	Label("loop")
	CMPQ(n, U8(v.lanes))
	JL(LabelRef("tail"))
	t := v.reg()
	VMOVUPS(Mem{Base: y}, t)
	VFMADD231PS(Mem{Base: x}, a, t)
	VMOVUPS(t, Mem{Base: y})
	ADDQ(U8(v.bytes()), x)
	ADDQ(U8(v.bytes()), y)
	SUBQ(U8(v.lanes), n)
	JMP(LabelRef("loop"))

	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	s := XMM()
	VMOVSS(Mem{Base: y}, s)
	VFMADD231SS(Mem{Base: x}, one, s)
	VMOVSS(s, Mem{Base: y})
	ADDQ(U8(4), x)
	ADDQ(U8(4), y)
	DECQ(n)
	JMP(LabelRef("tail"))

	Label("done")
	VZEROUPPER()
	RET()
}
