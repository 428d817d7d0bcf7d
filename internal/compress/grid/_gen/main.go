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
