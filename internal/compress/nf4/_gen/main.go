// Command _gen writes nearest_amd64.s and stubs_amd64.go of package nf4. From
// the root of the repository:
//
//	go -C internal/compress/nf4/_gen run . -out ../nearest_amd64.s -stubs ../stubs_amd64.go -pkg nf4
//
// It is a module of its own, so that avo is no dependency of the project.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is the number of registers of weights that a middle is compared
// with at a time.
const vectors = 4

func main() {
	ConstraintExpr("amd64,!noasm")
	TEXT("codesAVX2", NOSPLIT, "func(dst *uint8, w *float32, blocks int, middles *float32, n int)")
	Doc("codesAVX2 sets dst[i] to the number of the n middles, at least 1, below w[i], for",
		"i < 32·blocks.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	w := Load(Param("w"), GP64())
	blocks := Load(Param("blocks"), GP64())
	middles := Load(Param("middles"), GP64())
	n := Load(Param("n"), GP64())
	order := YMM()
	VMOVDQU(inOrder(), order)
	Label("block")
	var x, code [vectors]reg.VecVirtual
	for i := range x {
		x[i], code[i] = YMM(), YMM()
		VMOVUPS(Mem{Base: w, Disp: 32 * i}, x[i])
		VPXOR(code[i], code[i], code[i])
	}
	k := GP64()
	XORQ(k, k)
	Label("middle")
	m := YMM()
	VBROADCASTSS(Mem{Base: middles, Index: k, Scale: 4}, m)
	for i := range x {
		above := YMM()
		Comment("All ones, that is -1, where the weight is above the middle.")
		VCMPPS(U8(0x1e), m, x[i], above)
		VPSUBD(above, code[i], code[i])
	}
	INCQ(k)
	CMPQ(k, n)
	JLT(LabelRef("middle"))
	VPACKSSDW(code[1], code[0], code[0])
	VPACKSSDW(code[3], code[2], code[2])
	VPACKUSWB(code[2], code[0], code[0])
	Comment("Packing works on halves of registers: fours of codes are in the order 0 2 4 6 1 3 5 7.")
	VPERMD(code[0], order, code[0])
	VMOVDQU(code[0], Mem{Base: dst})
	ADDQ(Imm(128), w)
	ADDQ(Imm(32), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
	Generate()
}

// inOrder are the places of fours of codes after packing.
func inOrder() Mem {
	m := GLOBL("inOrder", RODATA|NOPTR)
	for i, w := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(w))
	}
	return m
}
