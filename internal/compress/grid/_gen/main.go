// Command _gen writes grid_amd64.s and stubs_amd64.go of package grid. From
// the root of the repository:
//
//	go -C internal/compress/grid/_gen run . -out ../grid_amd64.s -stubs ../stubs_amd64.go -pkg grid
//
// It is a module of its own, so that avo is no dependency of the project.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	extremes()
	codes()
	column()
	Generate()
}

// extremes writes the scan for the range of a group.
func extremes() {
	TEXT("extremesAVX2", NOSPLIT, "func(w *float32, blocks int) (up int32, down uint32)")
	Doc("extremesAVX2 returns the largest bit pattern of 16·blocks values, as a signed and",
		"as an unsigned number, and no less than 0.")
	Pragma("noescape")
	w := Load(Param("w"), GP64())
	blocks := Load(Param("blocks"), GP64())
	var up, down [2]reg.VecVirtual
	for i := range up {
		up[i], down[i] = YMM(), YMM()
		VPXOR(up[i], up[i], up[i])
		VPXOR(down[i], down[i], down[i])
	}
	Label("scan")
	for i := range up {
		v := YMM()
		VMOVDQU(Mem{Base: w, Disp: 32 * i}, v)
		VPMAXSD(v, up[i], up[i])
		VPMAXUD(v, down[i], down[i])
	}
	ADDQ(Imm(64), w)
	DECQ(blocks)
	JNZ(LabelRef("scan"))
	reduce := func(v [2]reg.VecVirtual, op func(...Op)) reg.GPVirtual {
		op(v[1], v[0], v[0])
		x, y := v[0].AsX(), XMM()
		VEXTRACTI128(Imm(1), v[0], y)
		op(y, x, x)
		VPSHUFD(Imm(0x4e), x, y)
		op(y, x, x)
		VPSHUFD(Imm(0xb1), x, y)
		op(y, x, x)
		r := GP32()
		VMOVD(x, r)
		return r
	}
	Store(reduce(up, VPMAXSD), ReturnIndex(0))
	Store(reduce(down, VPMAXUD), ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// codes writes the rounding of a group.
func codes() {
	TEXT("codesAVX2", NOSPLIT, "func(dst *uint8, w *float32, blocks int, inverse, snap float64, zero int32, top uint8)")
	Doc("codesAVX2 sets dst[i] to min(max(round(w[i]·inverse) + zero, 0), top) for i < 16·blocks,",
		"with the product rounded to the distance of float64 values at snap before it is",
		"rounded to an integer, half to even.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	w := Load(Param("w"), GP64())
	blocks := Load(Param("blocks"), GP64())
	broadcast := func(name string, op func(...Op), to reg.VecVirtual) reg.VecVirtual {
		at, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		op(at.Addr, to)
		return to
	}
	inverse := broadcast("inverse", VBROADCASTSD, YMM())
	snap := broadcast("snap", VBROADCASTSD, YMM())
	zero := XMM()
	VMOVD(Load(Param("zero"), GP32()), zero)
	VPBROADCASTD(zero, zero)
	top := broadcast("top", VPBROADCASTB, XMM())
	Label("round")
	var q [4]reg.VecVirtual
	for i := range q {
		x := YMM()
		VCVTPS2PD(Mem{Base: w, Disp: 16 * i}, x)
		VMULPD(inverse, x, x)
		VADDPD(snap, x, x)
		VSUBPD(snap, x, x)
		q[i] = XMM()
		VCVTPD2DQY(x, q[i])
		VPADDD(zero, q[i], q[i])
	}
	Comment("Packing saturates: below 0 to 0.")
	VPACKSSDW(q[1], q[0], q[0])
	VPACKSSDW(q[3], q[2], q[2])
	VPACKUSWB(q[2], q[0], q[0])
	VPMINUB(top, q[0], q[0])
	VMOVDQU(q[0], Mem{Base: dst})
	ADDQ(Imm(64), w)
	ADDQ(Imm(16), dst)
	DECQ(blocks)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}

// column writes the rounding of weights that have a grid each.
func column() {
	TEXT("columnAVX2", NOSPLIT, "func(codes *uint8, values, w, scale, zero *float32, eights int, top float32)")
	Doc("columnAVX2 sets, for i < 8·eights, codes[i] to min(max(round(w[i]/scale[i]) + zero[i], 0), top),",
		"half to even, and values[i] to scale[i]·(codes[i] - zero[i]), all in float32.")
	Pragma("noescape")
	codes := Load(Param("codes"), GP64())
	values := Load(Param("values"), GP64())
	w := Load(Param("w"), GP64())
	scale := Load(Param("scale"), GP64())
	zero := Load(Param("zero"), GP64())
	n := Load(Param("eights"), GP64())
	at, err := Param("top").Resolve()
	if err != nil {
		panic(err)
	}
	top, least := YMM(), YMM()
	VBROADCASTSS(at.Addr, top)
	VXORPS(least, least, least)
	i := GP64()
	XORQ(i, i)
	Label("eight")
	s, z, q := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: scale, Index: i, Scale: 4}, s)
	VMOVUPS(Mem{Base: zero, Index: i, Scale: 4}, z)
	VMOVUPS(Mem{Base: w, Index: i, Scale: 4}, q)
	VDIVPS(s, q, q)
	VROUNDPS(U8(8), q, q)
	VADDPS(z, q, q)
	VMAXPS(least, q, q)
	VMINPS(top, q, q)
	c := YMM()
	VCVTPS2DQ(q, c)
	VSUBPS(z, q, q)
	VMULPS(s, q, q)
	VMOVUPS(q, Mem{Base: values, Index: i, Scale: 4})
	Comment("Packing saturates; codes are at most 255.")
	high := XMM()
	VEXTRACTI128(U8(1), c, high)
	VPACKSSDW(high, c.AsX(), c.AsX())
	VPACKUSWB(c.AsX(), c.AsX(), c.AsX())
	VMOVQ(c.AsX(), Mem{Base: codes, Index: i, Scale: 1})
	ADDQ(Imm(8), i)
	DECQ(n)
	JNZ(LabelRef("eight"))
	VZEROUPPER()
	RET()
}
