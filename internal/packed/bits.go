package packed

import (
	"encoding/binary"
	"fmt"
)

// RowBytes returns the bytes that n codes of the given width take:
// ⌈n·bits/8⌉.
func RowBytes(n, bits int) int { return n/8*bits + (n%8*bits+7)/8 }

// PackRow writes codes, bits bits each (1 to 8), to the first
// RowBytes(len(codes), bits) bytes of dst as one dense stream, lowest bits
// first: code i takes stream bits i·bits and up, and stream bit j is bit j%8
// of byte j/8. Two bits thus give 4 codes per byte, three bits 8 codes in 3
// bytes. Bits of a code above its width are dropped; unused bits of the last
// byte are zero.
func PackRow(dst []byte, codes []uint8, bits int) {
	checkBits(bits)
	dst = dst[:RowBytes(len(codes), bits)]
	if bits == 8 {
		copy(dst, codes)
		return
	}
	k := 0
	for ; bits <= 4 && len(codes) >= 8 && len(dst)-k >= 8; codes = codes[8:] {
		binary.LittleEndian.PutUint64(dst[k:], gather(binary.LittleEndian.Uint64(codes), bits))
		k += bits // the bytes behind are written again
	}
	mask := uint32(1)<<bits - 1
	var acc uint32
	var have int
	for _, c := range codes {
		acc |= (uint32(c) & mask) << have
		if have += bits; have >= 8 {
			dst[k] = byte(acc)
			k++
			acc >>= 8
			have -= 8
		}
	}
	if have > 0 {
		dst[k] = byte(acc)
	}
}

// gather moves the low bits, 1 to 4, of each of 8 bytes together, the first
// byte's lowest: two neighbours at a time, then two pairs, then two fours.
func gather(v uint64, bits int) uint64 {
	const ones = 1<<64 - 1
	b := uint(bits)
	v &= ones / 0xff * (1<<b - 1)
	v = (v | v>>(8-b)) & (ones / 0xffff * (1<<(2*b) - 1))
	v = (v | v>>(16-2*b)) & (ones / 0xffffffff * (1<<(4*b) - 1))
	return (v | v>>(32-4*b)) & (1<<(8*b) - 1)
}

// UnpackRow reads n codes of the given width, packed as PackRow packs them,
// from src to the first n bytes of dst.
func UnpackRow(dst []uint8, src []byte, n, bits int) {
	checkBits(bits)
	dst, src = dst[:n], src[:RowBytes(n, bits)]
	switch bits {
	case 8:
		copy(dst, src)
	case 4:
		for ; len(dst) >= 2; dst, src = dst[2:], src[1:] {
			dst[0], dst[1] = src[0]&15, src[0]>>4
		}
	case 3:
		for ; len(dst) >= 8; dst, src = dst[8:], src[3:] {
			v := uint32(src[0]) | uint32(src[1])<<8 | uint32(src[2])<<16
			for i := range dst[:8] {
				dst[i] = uint8(v) & 7
				v >>= 3
			}
		}
	case 2:
		for ; len(dst) >= 4; dst, src = dst[4:], src[1:] {
			v := src[0]
			dst[0], dst[1], dst[2], dst[3] = v&3, v>>2&3, v>>4&3, v>>6
		}
	}
	if bits < 8 {
		unpackAny(dst, src, bits)
	}
}

// unpackAny is UnpackRow for any width, one code at a time.
func unpackAny(dst []uint8, src []byte, bits int) {
	mask := uint32(1)<<bits - 1
	var acc uint32
	var have int
	for i := range dst {
		if have < bits {
			acc |= uint32(src[0]) << have
			src = src[1:]
			have += 8
		}
		dst[i] = uint8(acc & mask)
		acc >>= bits
		have -= bits
	}
}

// codeAt returns code i of a packed stream.
func codeAt(src []byte, i, bits int) int {
	p := i * bits
	v := uint32(src[p/8])
	if p%8+bits > 8 {
		v |= uint32(src[p/8+1]) << 8
	}
	return int(v>>(p%8)) & (1<<bits - 1)
}

// checkBits panics unless a code may have the width.
func checkBits(bits int) {
	if bits < 1 || bits > 8 {
		panic(fmt.Sprintf("packed: code width %d, want 1 to 8", bits))
	}
}
