// Command _gen writes gemm_amd64.s and stubs_amd64.go of package gemm. From
// the root of the repository:
//
//	go -C kernels/gemm/_gen run . -out ../gemm_amd64.s -stubs ../stubs_amd64.go -pkg gemm
//
// It is a module of its own, so that avo is no dependency of the project.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	avx2.tile("tileAVX2", 6)
	avx512.tile("tileAVX512", 12)
	avx2.dots("dotsAVX2")
	avx512.dots("dotsAVX512")
	for _, rows := range []int{4, 6, 8} {
		transpose(rows)
	}
	Generate()
}

// An isa is a vector width and what differs with it.
type isa struct {
	lanes    int // float32 values in a register
	register func() reg.VecVirtual
	// clear sets a register to zero.
	clear func(reg.VecVirtual)
}

var avx2 = isa{8, YMM, func(r reg.VecVirtual) { VXORPS(r, r, r) }}

// VXORPS of 512 bits would need AVX512DQ.
var avx512 = isa{16, ZMM, func(r reg.VecVirtual) { VPXORD(r, r, r) }}

func (v isa) bytes() int { return 4 * v.lanes }

func (v isa) zeros(n int) []reg.VecVirtual {
	var rs []reg.VecVirtual
	for range n {
		r := v.register()
		v.clear(r)
		rs = append(rs, r)
	}
	return rs
}

// tile writes the micro-kernel for mr rows and two registers of columns.
func (v isa) tile(name string, mr int) {
	nr := 2 * v.lanes
	TEXT(name, NOSPLIT, "func(k int, a, b, c *float32, ldc int, alpha, beta float32)")
	Doc(fmt.Sprintf("%s computes the %d×%d tile", name, mr, nr),
		"",
		fmt.Sprintf("\tC[i*ldc+j] = alpha·Σ_p a[%d·p+i]·b[%d·p+j] + beta·C[i*ldc+j]", mr, nr),
		"",
		"for p < k, without reading C if beta is 0.")
	Pragma("noescape")
	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	acc := v.zeros(2 * mr)
	b0, b1, a0 := v.register(), v.register(), v.register()

	Comment("Bring the rows of C into the first-level cache.")
	row := GP64()
	MOVQ(c, row)
	for i := range mr {
		for off := 0; off < 4*nr; off += 64 {
			PREFETCHT0(Mem{Base: row, Disp: off})
		}
		PREFETCHT0(Mem{Base: row, Disp: 4*nr - 4})
		if i < mr-1 {
			ADDQ(ldc, row)
		}
	}

	step := func(p int) {
		Comment("acc[i] += a[i]·b")
		VMOVUPS(Mem{Base: b, Disp: p * 4 * nr}, b0)
		VMOVUPS(Mem{Base: b, Disp: p*4*nr + v.bytes()}, b1)
		for i := range mr {
			at := Mem{Base: a, Disp: 4 * (p*mr + i)}
			VBROADCASTSS(at, a0)
			VFMADD231PS(a0, b0, acc[2*i])
			VFMADD231PS(a0, b1, acc[2*i+1])
		}
	}
	const unroll = 4
	SUBQ(Imm(unroll), k)
	JLT(LabelRef("rest"))
	Label("loop")
	for p := range unroll {
		if p%2 == 0 {
			PREFETCHT0(Mem{Base: a, Disp: 512 + 32*mr*p/4})
		}
		step(p)
	}
	ADDQ(Imm(uint64(4*mr*unroll)), a)
	ADDQ(I32(4*nr*unroll), b)
	SUBQ(Imm(unroll), k)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(unroll), k)
	JZ(LabelRef("store"))
	Label("one")
	step(0)
	ADDQ(Imm(uint64(4*mr)), a)
	ADDQ(I32(4*nr), b)
	DECQ(k)
	JNZ(LabelRef("one"))

	Label("store")
	Comment("acc = alpha·acc; C = acc or acc + beta·C")
	alpha, beta := b0, b1
	alphaAt, _ := Param("alpha").Resolve()
	betaAt, _ := Param("beta").Resolve()
	VBROADCASTSS(alphaAt.Addr, alpha)
	VBROADCASTSS(betaAt.Addr, beta)
	for _, r := range acc {
		VMULPS(alpha, r, r)
	}
	Comment("beta is zero of either sign")
	bits := GP32()
	MOVL(betaAt.Addr, bits)
	SHLL(Imm(1), bits)
	JZ(LabelRef("overwrite"))
	v.rows(c, ldc, acc, func(at Mem, r reg.VecVirtual) {
		VFMADD231PS(at, beta, r)
		VMOVUPS(r, at)
	})
	v.leave()
	Label("overwrite")
	v.rows(c, ldc, acc, func(at Mem, r reg.VecVirtual) { VMOVUPS(r, at) })
	v.leave()
}

// rows calls f with the place in C of each accumulator.
func (v isa) rows(c, ldc reg.Register, acc []reg.VecVirtual, f func(at Mem, r reg.VecVirtual)) {
	for i := 0; i < len(acc); i += 2 {
		f(Mem{Base: c}, acc[i])
		f(Mem{Base: c, Disp: v.bytes()}, acc[i+1])
		if i+2 < len(acc) {
			ADDQ(ldc, c)
		}
	}
}

func (v isa) leave() {
	VZEROUPPER()
	RET()
}

// dots writes the kernel that multiplies one row by four.
func (v isa) dots(name string) {
	const rows = 4
	TEXT(name, NOSPLIT, "func(k int, x, y *float32, ld int, dst *[4]float32)")
	Doc(name + " sets dst[j] = Σ_p x[p]·y[j*ld+p] for p < k and j < 4.")
	Pragma("noescape")
	k := Load(Param("k"), GP64())
	x := Load(Param("x"), GP64())
	y := [rows]reg.Register{Load(Param("y"), GP64()), GP64(), GP64(), GP64()}
	ld := Load(Param("ld"), GP64())
	dst := Load(Param("dst"), GP64())
	for j := 1; j < rows; j++ {
		LEAQ(Mem{Base: y[j-1], Index: ld, Scale: 4}, y[j])
	}
	acc := v.zeros(2 * rows) // two for each row
	step := func(parts int) {
		for h := range parts {
			xv := v.register()
			VMOVUPS(Mem{Base: x, Disp: h * v.bytes()}, xv)
			for j := range rows {
				VFMADD231PS(Mem{Base: y[j], Disp: h * v.bytes()}, xv, acc[2*j+h])
			}
		}
		ADDQ(I32(int32(parts*v.bytes())), x)
		for j := range rows {
			ADDQ(I32(int32(parts*v.bytes())), y[j])
		}
	}
	SUBQ(Imm(uint64(2*v.lanes)), k)
	JLT(LabelRef("half"))
	Label("loop")
	step(2)
	SUBQ(Imm(uint64(2*v.lanes)), k)
	JGE(LabelRef("loop"))
	Label("half")
	ADDQ(Imm(uint64(v.lanes)), k)
	JLT(LabelRef("tail"))
	step(1)
	SUBQ(Imm(uint64(v.lanes)), k)
	Label("tail")
	ADDQ(Imm(uint64(v.lanes)), k)

	Comment("Add up the lanes of each row.")
	var sum [rows]reg.VecVirtual
	for j := range rows {
		VADDPS(acc[2*j+1], acc[2*j], acc[2*j])
		sum[j] = v.reduce(acc[2*j])
	}
	TESTQ(k, k)
	JZ(LabelRef("done"))
	Label("one")
	xs := XMM()
	VMOVSS(Mem{Base: x}, xs)
	ADDQ(Imm(4), x)
	for j := range rows {
		VFMADD231SS(Mem{Base: y[j]}, xs, sum[j])
		ADDQ(Imm(4), y[j])
	}
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("done")
	for j := range rows {
		VMOVSS(sum[j], Mem{Base: dst, Disp: 4 * j})
	}
	v.leave()
}

// reduce adds up the lanes of r, halving them, into the lowest one of an XMM.
func (v isa) reduce(r reg.VecVirtual) reg.VecVirtual {
	if v.lanes == 16 {
		high := YMM()
		VEXTRACTF64X4(Imm(1), r, high)
		VADDPS(high, r.AsY(), r.AsY())
	}
	x, high := XMM(), XMM()
	VEXTRACTF128(Imm(1), r.AsY(), high)
	VADDPS(high, r.AsX(), x)
	VMOVHLPS(x, x, high)
	VADDPS(high, x, x)
	VMOVSHDUP(x, high)
	VADDSS(high, x, x)
	return x
}

// transpose writes the packing of 4, 6 or 8 rows, 8 columns at a time.
func transpose(rows int) {
	name := fmt.Sprintf("transpose%dAVX2", rows)
	TEXT(name, NOSPLIT, "func(dst *float32, stride int, src *float32, ld, blocks int)")
	Doc(fmt.Sprintf("%s sets dst[p*stride+i] = src[i*ld+p] for i < %d, p < 8·blocks.", name, rows))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	stride := Load(Param("stride"), GP64())
	src := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	blocks := Load(Param("blocks"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), ld)
	from, to := newEight(src, ld), newEight(dst, stride)

	Label("loop")
	Comment("r[i] holds columns 0-3 of rows i and i+4, r[i+4] columns 4-7.")
	from.second()
	var r, s [8]reg.VecVirtual
	for i := range 4 {
		for h := 0; h < 8; h += 4 {
			v := YMM()
			at := from.row(i)
			at.Disp = 4 * h
			VMOVUPS(at, v.AsX())
			if i+4 < rows {
				at = from.row(i + 4)
				at.Disp = 4 * h
				VINSERTF128(Imm(1), at, v, v)
			}
			r[i+h] = v
		}
	}
	Comment("Transpose the 4×4 blocks.")
	to.second()
	for h := 0; h < 8; h += 4 {
		for i := range 4 {
			s[h+i] = YMM()
		}
		VUNPCKLPS(r[h+1], r[h], s[h])
		VUNPCKHPS(r[h+1], r[h], s[h+1])
		VUNPCKLPS(r[h+3], r[h+2], s[h+2])
		VUNPCKHPS(r[h+3], r[h+2], s[h+3])
		VSHUFPS(Imm(0x44), s[h+2], s[h], r[h])
		VSHUFPS(Imm(0xee), s[h+2], s[h], r[h+1])
		VSHUFPS(Imm(0x44), s[h+3], s[h+1], r[h+2])
		VSHUFPS(Imm(0xee), s[h+3], s[h+1], r[h+3])
		for i := h; i < h+4; i++ {
			at := to.row(i)
			switch rows {
			case 8:
				VMOVUPS(r[i], at)
			case 6:
				VMOVUPS(r[i].AsX(), at)
				at.Disp = 16
				VEXTRACTF128(Imm(1), r[i], r[i].AsX())
				VMOVLPS(r[i].AsX(), at)
			case 4:
				VMOVUPS(r[i].AsX(), at)
			}
		}
	}
	ADDQ(Imm(32), src)
	LEAQ(Mem{Base: dst, Index: stride, Scale: 8}, dst)
	DECQ(blocks)
	JNZ(LabelRef("loop"))
	avx2.leave()
}

// An eight addresses eight rows, step bytes apart.
type eight struct {
	first, fifth, step, step3 reg.Register
}

func newEight(first, step reg.Register) eight {
	e := eight{first, GP64(), step, GP64()}
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, e.step3)
	return e
}

// second sets the address of the fifth row from that of the first.
func (e eight) second() {
	LEAQ(Mem{Base: e.first, Index: e.step, Scale: 4}, e.fifth)
}

func (e eight) row(i int) Mem {
	base := e.first
	if i >= 4 {
		base = e.fifth
	}
	switch i % 4 {
	case 1:
		return Mem{Base: base, Index: e.step, Scale: 1}
	case 2:
		return Mem{Base: base, Index: e.step, Scale: 2}
	case 3:
		return Mem{Base: base, Index: e.step3, Scale: 1}
	}
	return Mem{Base: base}
}
