package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exponentials writes the loops of softmax and SwiGLU. All of them take a
// whole number of registers of values; the caller does the rest.
func exponentials(v vector) {
	v.maxOf()
	v.expSum()
	v.siluMul()
}

// words are the constants of exp, a full register of each, in memory: there
// are more of them than registers.
var words = map[string]Mem{}

// splat returns a constant of 32 bits in memory, in all lanes.
func splat(name string, c uint32) Mem {
	if _, ok := words[name]; !ok {
		w := make([]uint32, 16)
		for i := range w {
			w[i] = c
		}
		words[name] = data("exp_"+name, w...)
	}
	return words[name]
}

// splatFloat is splat of a float32.
func splatFloat(name string, x float64) Mem { return splat(name, math.Float32bits(float32(x))) }

// floats returns a register with x in all lanes.
func (v vector) floats(x float64) reg.VecVirtual { return v.constant(math.Float32bits(float32(x))) }

// bounds returns the registers with the smallest and largest argument of exp.
func (v vector) bounds() (lo, hi reg.VecVirtual) { return v.floats(-87.3), v.floats(128 * math.Ln2) }

// exp replaces x by e^x, within 2 ulp where the result is a normal number.
// Below -87.3 it is that of -87.3, near the smallest normal number; from
// 128·ln 2 on it is infinite. NaN stays NaN: MAX and MIN return their second
// source, which is x, when one is NaN.
//
// x = k·ln 2 + r, |r| ≤ ln(2)/2; e^r is its Taylor series to the seventh power
// (the rest is below 6e-9). 2^k goes in as two factors, so that k = 128 with a
// small e^r does not overflow early.
func (v vector) exp(x, lo, hi reg.VecVirtual) {
	// ln 2 in two parts: the first has 10 trailing zero bits, so that k·ln2hi
	// is exact for |k| < 2^10.
	ln2hi := float64(math.Float32frombits(math.Float32bits(float32(math.Ln2)) &^ 0x3ff))
	magic := splatFloat("magic", 1.5*(1<<23))

	t, k, p := v.reg(), v.reg(), v.reg()
	VMAXPS(x, lo, x)
	VMINPS(x, hi, x)
	VMOVUPS(splatFloat("log2e", math.Log2E), t)
	VFMADD213PS(magic, x, t) // t = x·log2(e) + magic: k in the low bits
	VSUBPS(magic, t, k)      // k as a float
	VFNMADD231PS(splatFloat("ln2hi", ln2hi), k, x)
	VFNMADD231PS(splatFloat("ln2lo", math.Ln2-ln2hi), k, x) // x is r now
	VMOVUPS(splatFloat("c7", 1.0/5040), p)
	for _, c := range []struct {
		name string
		x    float64
	}{{"c6", 1.0 / 720}, {"c5", 1.0 / 120}, {"c4", 1.0 / 24}, {"c3", 1.0 / 6}, {"c2", 1.0 / 2}, {"one", 1}, {"one", 1}} {
		VFMADD213PS(splatFloat(c.name, c.x), x, p) // p = p·r + c
	}
	VPSUBD(magic, t, t) // k as an integer
	VPSRAD(U8(1), t, k)
	VPSUBD(k, t, t)
	for _, half := range []reg.VecVirtual{k, t} {
		VPADDD(splat("bias", 127), half, half)
		VPSLLD(U8(23), half, half)
		VMULPS(half, p, p)
	}
	VMOVAPS(p, x)
}

// maxOf writes the largest of some values.
func (v vector) maxOf() {
	name := "max" + v.name
	TEXT(name, NOSPLIT, "func(x *float32, n int) float32")
	Pragma("noescape")
	Doc(name + " returns the largest of n values, n a positive multiple of " + lanesWord(v) + ".")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	top := v.reg()
	VMOVUPS(Mem{Base: x}, top)
	Label("loop")
	VMAXPS(Mem{Base: x}, top, top)
	ADDQ(U8(v.bytes()), x)
	SUBQ(U8(v.lanes), n)
	JNZ(LabelRef("loop"))
	if v.lanes == 16 {
		hi := YMM()
		VEXTRACTF64X4(U8(1), top, hi)
		VMAXPS(top.AsY(), hi, hi)
		top = hi
	}
	s, u := XMM(), XMM()
	VEXTRACTF128(U8(1), top, s)
	VMAXPS(top.AsX(), s, s)
	VPSHUFD(U8(0x4e), s, u)
	VMAXPS(u, s, s)
	VPSHUFD(U8(0xb1), s, u)
	VMAXPS(u, s, s)
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

func lanesWord(v vector) string {
	if v.lanes == 16 {
		return "16"
	}
	return "8"
}

// expSum writes x = e^(x-top) and the sum.
func (v vector) expSum() {
	name := "expSum" + v.name
	TEXT(name, NOSPLIT, "func(x *float32, n int, top float32) float64")
	Pragma("noescape")
	Doc(name + " replaces n values x by e^(x-top) and returns their sum; n is a multiple of " + lanesWord(v) + ", no x exceeds top.")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	one, top := Load(Param("top"), XMM()), v.reg()
	VBROADCASTSS(one, top)
	lo, hi := v.bounds()
	sums := []reg.VecVirtual{v.zero(), v.zero()}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	e := v.reg()
	VMOVUPS(Mem{Base: x}, e)
	VSUBPS(top, e, e)
	v.exp(e, lo, hi)
	VMOVUPS(e, Mem{Base: x})
	if v.lanes == 16 {
		a, b, w := ZMM(), ZMM(), YMM()
		VCVTPS2PD(e.AsY(), a)
		VEXTRACTF64X4(U8(1), e, w)
		VCVTPS2PD(w, b)
		VADDPD(a, sums[0], sums[0])
		VADDPD(b, sums[1], sums[1])
	} else {
		a, b, w := YMM(), YMM(), XMM()
		VCVTPS2PD(e.AsX(), a)
		VEXTRACTF128(U8(1), e, w)
		VCVTPS2PD(w, b)
		VADDPD(a, sums[0], sums[0])
		VADDPD(b, sums[1], sums[1])
	}
	ADDQ(U8(v.bytes()), x)
	SUBQ(U8(v.lanes), n)
	JNZ(LabelRef("loop"))
	Label("done")
	VADDPD(sums[1], sums[0], sums[0])
	sum := sums[0]
	if v.lanes == 16 {
		hi := YMM()
		VEXTRACTF64X4(U8(1), sum, hi)
		VADDPD(sum.AsY(), hi, hi)
		sum = hi
	}
	s := XMM()
	VEXTRACTF128(U8(1), sum, s)
	VADDPD(sum.AsX(), s, s)
	VHADDPD(s, s, s)
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

// siluMul writes y = gate/(1+e^-gate)·up.
func (v vector) siluMul() {
	name := "siluMul" + v.name
	TEXT(name, NOSPLIT, "func(y, gate, up *float32, n int)")
	Pragma("noescape")
	Doc(name + " sets y = gate/(1+e^-gate)·up for n values, a multiple of " + lanesWord(v) + ".")
	y, gate := Load(Param("y"), GP64()), Load(Param("gate"), GP64())
	up, n := Load(Param("up"), GP64()), Load(Param("n"), GP64())
	lo, hi := v.bounds()
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	z, e := v.reg(), v.zero()
	VMOVUPS(Mem{Base: gate}, z)
	VSUBPS(z, e, e)
	v.exp(e, lo, hi)
	VADDPS(splatFloat("one", 1), e, e)
	VDIVPS(e, z, z)
	VMULPS(Mem{Base: up}, z, z)
	VMOVUPS(z, Mem{Base: y})
	ADDQ(U8(v.bytes()), gate)
	ADDQ(U8(v.bytes()), up)
	ADDQ(U8(v.bytes()), y)
	SUBQ(U8(v.lanes), n)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
