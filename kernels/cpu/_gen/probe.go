package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// probeChains is the number of independent chains of probeFMA: more than two
// multiply-adds a cycle times their latency of 4 or 5 cycles.
const probeChains = 12

// probes writes the loops that drive a core to its limits: reading memory, and
// multiply-adds in registers.
func probes(v vector) {
	v.probeRead()
	v.probeFMA()
}

// probeRead writes a sum, one load and one addition for each register.
func (v vector) probeRead() {
	const regs = 8
	name := "probeRead" + v.name
	TEXT(name, NOSPLIT, "func(x []float32) float32")
	Pragma("noescape")
	Doc(name+" returns the sum of the first values of x, as many as make", "a multiple of 64 (AVX2) or 128 (AVX-512).")
	x, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	acc := v.accumulators(regs)
	Label("loop")
	CMPQ(n, U32(regs*v.lanes))
	JL(LabelRef("done"))
	for i := range regs {
		VADDPS(Mem{Base: x, Disp: i * v.bytes()}, acc[i], acc[i])
	}
	ADDQ(U32(regs*v.bytes()), x)
	SUBQ(U32(regs*v.lanes), n)
	JMP(LabelRef("loop"))
	Label("done")
	s := v.sum(fold(acc))
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

// probeFMA writes chains of x = x·1 + 1.
func (v vector) probeFMA() {
	name := "probeFMA" + v.name
	TEXT(name, NOSPLIT, "func(n int) float32")
	Pragma("noescape")
	Doc(name+" makes n steps x = x·1 + 1 from 0 in each lane of 12", "independent registers and returns the sum of all lanes.")
	n := Load(Param("n"), GP64())
	one := v.constant(0x3f800000)
	acc := v.accumulators(probeChains)
	Label("loop")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	for _, a := range acc {
		VFMADD213PS(one, one, a)
	}
	DECQ(n)
	JMP(LabelRef("loop"))
	Label("done")
	for _, a := range acc[1:] {
		VADDPS(a, acc[0], acc[0])
	}
	s := v.sum(acc[0])
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}
