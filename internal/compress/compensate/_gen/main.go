// Command _gen writes leaf_amd64.s and stubs_amd64.go of package compensate.
// From the root of the repository:
//
//	go -C internal/compress/compensate/_gen run . -out ../leaf_amd64.s -stubs ../stubs_amd64.go -pkg compensate
//
// It is a module of its own, so that avo is no dependency of the project.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// strip is the distance of columns, in values.
const strip = 64

func main() {
	ConstraintExpr("amd64,!noasm")
	TEXT("moveAVX2", NOSPLIT, "func(e, values, u *float32, columns, eights int)")
	Doc("moveAVX2 sets e[r] = (e[r] - values[r])/u[0] and then, for 1 ≤ m < columns,",
		"e[64·m+r] -= e[r]·u[m], r < 8·eights, with every operation rounded.")
	Pragma("noescape")
	e := Load(Param("e"), GP64())
	values := Load(Param("values"), GP64())
	u := Load(Param("u"), GP64())
	columns := Load(Param("columns"), GP64())
	eights := Load(Param("eights"), GP64())
	u0 := YMM()
	VBROADCASTSS(Mem{Base: u}, u0)
	Comment("Two eights at a time, then the last one.")
	Label("pair")
	CMPQ(eights, Imm(2))
	JL(LabelRef("single"))
	rows(e, values, u, columns, u0, 2)
	SUBQ(Imm(2), eights)
	JMP(LabelRef("pair"))
	Label("single")
	CMPQ(eights, Imm(0))
	JE(LabelRef("done"))
	rows(e, values, u, columns, u0, 1)
	Label("done")
	VZEROUPPER()
	RET()
	Generate()
}

// rows writes the work on n eights, and moves on behind them.
func rows(e, values, u, columns reg.Register, u0 reg.VecVirtual, n int) {
	name := map[int]string{1: "one", 2: "two"}[n]
	var err [2]reg.VecVirtual
	for i := range n {
		err[i] = YMM()
		VMOVUPS(Mem{Base: e, Disp: 32 * i}, err[i])
		VSUBPS(Mem{Base: values, Disp: 32 * i}, err[i], err[i])
		VDIVPS(u0, err[i], err[i])
		VMOVUPS(err[i], Mem{Base: e, Disp: 32 * i})
	}
	at, m := GP64(), GP64()
	LEAQ(Mem{Base: e, Disp: 4 * strip}, at)
	MOVQ(U32(1), m)
	JMP(LabelRef(name + "Check"))
	Label(name + "Column")
	um := YMM()
	VBROADCASTSS(Mem{Base: u, Index: m, Scale: 4}, um)
	for i := range n {
		p, x := YMM(), YMM()
		VMULPS(um, err[i], p)
		VMOVUPS(Mem{Base: at, Disp: 32 * i}, x)
		VSUBPS(p, x, x)
		VMOVUPS(x, Mem{Base: at, Disp: 32 * i})
	}
	ADDQ(U32(4*strip), at)
	INCQ(m)
	Label(name + "Check")
	CMPQ(m, columns)
	JL(LabelRef(name + "Column"))
	ADDQ(Imm(uint64(32*n)), e)
	ADDQ(Imm(uint64(32*n)), values)
}
