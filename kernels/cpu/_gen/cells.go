package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// competeCells writes competeMagnitude for a multiple of four weights: the
// hashes of four addresses in 64-bit lanes, the cells read one by one, since
// a gather would read past the last one.
func competeCells() {
	TEXT("competeMagnitudeAVX2", NOSPLIT, "func(best *uint32, n int, cells *uint16, size uint64, address, seed uint64, left uint32)")
	Pragma("noescape")
	Doc("competeMagnitudeAVX2 is competeMagnitude for n weights, a multiple of 4; cells holds size < 2³² of them.")
	best, n := Load(Param("best"), GP64()), Load(Param("n"), GP64())
	cells := Load(Param("cells"), GP64())
	broadcast := func(name string) reg.VecVirtual {
		x, y := XMM(), YMM()
		t := Load(Param(name), GP64())
		VMOVQ(t, x)
		VPBROADCASTQ(x, y)
		return y
	}
	size, seed, address := broadcast("size"), broadcast("seed"), broadcast("address")
	VPADDQ(quads("lanes", 0, 1, 2, 3), address, address)
	order := XMM()
	left := Load(Param("left"), GP32())
	ADDL(left, left)
	VMOVD(left, order)
	VPBROADCASTD(order, order)
	TESTQ(n, n)
	JZ(LabelRef("done"))

	Label("loop")
	x := YMM()
	VPXOR(seed, address, x)
	VPADDQ(quads("four", 4, 4, 4, 4), address, address)
	mixRound(x, 30, "mix1", 0xbf58476d1ce4e5b9)
	mixRound(x, 27, "mix2", 0x94d049bb133111eb)
	t := YMM()
	VPSRLQ(U8(31), x, t)
	VPXOR(t, x, x)
	// hi64(x·size) = (hi32(x)·size + hi32(lo32(x)·size)) >> 32 for size < 2³².
	VPSRLQ(U8(32), x, t)
	VPMULUDQ(size, t, t)
	VPMULUDQ(size, x, x)
	VPSRLQ(U8(32), x, x)
	VPADDQ(t, x, x)
	VPSRLQ(U8(32), x, x)

	// The cells go to the low halves of four 32-bit lanes.
	h, hi := XMM(), XMM()
	VEXTRACTI128(U8(1), x, hi)
	VPXOR(h, h, h)
	for lane, half := range []Op{x.AsX(), x.AsX(), hi, hi} {
		j := GP64()
		if lane%2 == 0 {
			VMOVQ(half, j)
		} else {
			VPEXTRQ(U8(1), half, j)
		}
		VPINSRW(U8(2*lane), Mem{Base: cells, Index: j, Scale: 2}, h, h)
	}
	// magnitude<<16 | left<<1 | sign
	key := XMM()
	VPSLLD(U8(17), h, key)
	VPSRLD(U8(1), key, key)
	VPSRLD(U8(15), h, h)
	VPOR(h, key, key)
	VPOR(order, key, key)
	VPMAXUD(Mem{Base: best}, key, key)
	VMOVDQU(key, Mem{Base: best})
	ADDQ(U8(16), best)
	SUBQ(U8(4), n)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// cellValues writes value for a multiple of eight winners of reading A.
func cellValues() {
	TEXT("cellValuesAVX2", NOSPLIT, "func(dst *float32, best *uint32, n int)")
	Pragma("noescape")
	Doc("cellValuesAVX2 sets dst to the values of n cells that won by magnitude, n a multiple of 8.")
	dst, best, n := Load(Param("dst"), GP64()), Load(Param("best"), GP64()), Load(Param("n"), GP64())
	infinity := avx2.constant(0x7c00)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	key, h, never := YMM(), YMM(), YMM()
	VMOVDQU(Mem{Base: best}, key)
	VPSRLD(U8(16), key, h)
	VPSLLD(U8(31), key, key)
	VPSRLD(U8(16), key, key)
	VPOR(key, h, h)
	VPCMPEQD(infinity, h, never) // +Inf: never hit, reads 0
	VPANDN(h, never, h)
	VPACKUSDW(h, h, h)
	VPERMQ(U8(0xd8), h, h)
	VCVTPH2PS(h.AsX(), h)
	VMOVUPS(h, Mem{Base: dst})
	ADDQ(U8(32), best)
	ADDQ(U8(32), dst)
	SUBQ(U8(8), n)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// quads returns four 64-bit words in memory.
func quads(name string, w ...uint64) Mem {
	if m, ok := words["cells_"+name]; ok {
		return m
	}
	var halves []uint32
	for _, q := range w {
		halves = append(halves, uint32(q), uint32(q>>32))
	}
	words["cells_"+name] = data("cells_"+name, halves...)
	return words["cells_"+name]
}

// mixRound is x ^= x>>shift; x *= c, in 64-bit lanes from 32-bit products:
// x·c = lo·lo + (hi(x)·lo(c) + lo(x)·hi(c)) << 32.
func mixRound(x reg.VecVirtual, shift uint8, name string, c uint64) {
	t, u := YMM(), YMM()
	lo := quads(name+"lo", c, c, c, c)
	hi := quads(name+"hi", c>>32, c>>32, c>>32, c>>32)
	VPSRLQ(U8(shift), x, t)
	VPXOR(t, x, x)
	VPSRLQ(U8(32), x, t)
	VPMULUDQ(lo, t, t) // VPMULUDQ reads the low halves only
	VPMULUDQ(hi, x, u)
	VPADDQ(u, t, t)
	VPSLLQ(U8(32), t, t)
	VPMULUDQ(lo, x, x)
	VPADDQ(t, x, x)
}

// largestCells writes largestOf for a multiple of eight columns.
func largestCells() {
	TEXT("largestOfAVX2", NOSPLIT, "func(dst *float32, stride, rows, n int, values *float32, offsets *uint32, count int)")
	Pragma("noescape")
	Doc("largestOfAVX2 is largestOf for n columns, a multiple of 8; rows, n and count are at least 1.")
	dst, stride := Load(Param("dst"), GP64()), Load(Param("stride"), GP64())
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	values, offsets := Load(Param("values"), GP64()), Load(Param("offsets"), GP64())
	count := Load(Param("count"), GP64())
	SHLQ(U8(2), n)
	SHLQ(U8(2), stride)
	at, k, from := GP64(), GP64(), GP64()
	best, magnitude := YMM(), YMM()
	Label("row")
	XORQ(at, at) // of the values in their row, in bytes
	Label("columns")
	base := GP64()
	LEAQ(Mem{Base: values, Index: at, Scale: 1}, base)
	MOVL(Mem{Base: offsets}, from.As32())
	VMOVUPS(Mem{Base: base, Index: from, Scale: 4}, best)
	VPADDD(best, best, magnitude) // without the sign, magnitudes compare as integers
	VPSRLD(U8(1), magnitude, magnitude)
	MOVQ(U32(1), k)
	JMP(LabelRef("test"))
	Label("next")
	x, m, greater := YMM(), YMM(), YMM()
	MOVL(Mem{Base: offsets, Index: k, Scale: 4}, from.As32())
	VMOVUPS(Mem{Base: base, Index: from, Scale: 4}, x)
	VPADDD(x, x, m)
	VPSRLD(U8(1), m, m)
	VPCMPGTD(magnitude, m, greater)
	VBLENDVPS(greater, x, best, best)
	VPMAXSD(m, magnitude, magnitude)
	INCQ(k)
	Label("test")
	CMPQ(k, count)
	JLT(LabelRef("next"))
	VMOVUPS(best, Mem{Base: dst, Index: at, Scale: 1})
	ADDQ(U8(32), at)
	CMPQ(at, n)
	JLT(LabelRef("columns"))
	ADDQ(stride, dst)
	LEAQ(Mem{Base: offsets, Index: count, Scale: 4}, offsets)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}
