package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A block is 8·lanes consecutive codes of 2, 3 or 4 bits. In a register, lane
// j holds codes 8j..8j+7 of the block from its lowest bit up, so that code
// 8j+k of all lanes is reached by one shift or one mask. The activations are
// reordered to match, once per product: see interleave in package cpu.

// blockLoader prepares whatever loading blocks of codes needs and returns a
// func that loads the block at a pointer.
func (v vector) blockLoader(bits int) func(codes reg.Register, dst reg.VecVirtual) {
	switch bits {
	case 2: // two bytes a lane
		return func(codes reg.Register, dst reg.VecVirtual) { VPMOVZXWD(Mem{Base: codes}, dst) }
	case 3:
		return v.blockLoader3()
	case 4: // four bytes a lane: as it lies in memory
		return func(codes reg.Register, dst reg.VecVirtual) { v.load(Mem{Base: codes}, dst) }
	}
	panic("no blocks of this width")
}

// spread is a byte shuffle that gives each of four lanes three bytes, starting
// at byte first of the 16.
func spread(first uint32) []uint32 {
	var w []uint32
	for j := range uint32(4) {
		b := first + 3*j
		w = append(w, b|(b+1)<<8|(b+2)<<16|0x80<<24)
	}
	return w
}

// blockLoader3 is blockLoader for three bytes a lane. It reads nothing outside
// the block.
func (v vector) blockLoader3() func(codes reg.Register, dst reg.VecVirtual) {
	shuffle := v.reg()
	if v.lanes == 8 {
		// The second half of the register takes bytes 8 to 23, of which 12
		// to 23 are wanted.
		VMOVDQU(data("spread3AVX2", append(spread(0), spread(4)...)...), shuffle)
		return func(codes reg.Register, dst reg.VecVirtual) {
			VMOVDQU(Mem{Base: codes}, dst.AsX())
			VINSERTI128(U8(1), Mem{Base: codes, Disp: 8}, dst, dst)
			VPSHUFB(shuffle, dst, dst)
		}
	}
	// Twelve 32-bit words are moved to three per quarter, then spread.
	VBROADCASTI32X4(data("spread3AVX512", spread(0)...), shuffle)
	words := v.reg()
	VMOVDQU32(data("quarters3AVX512", 0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0), words)
	t, twelve := GP32(), K()
	MOVL(U32(0xfff), t)
	KMOVW(t, twelve)
	return func(codes reg.Register, dst reg.VecVirtual) {
		VMOVDQU32_Z(Mem{Base: codes}, twelve, dst)
		VPERMD(dst, words, dst)
		VPSHUFB(shuffle, dst, dst)
	}
}
