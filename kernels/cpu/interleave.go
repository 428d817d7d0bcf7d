package cpu

// interleave reorders x, a whole number of blocks of 8·lanes values, for
// kernels whose register lane j holds codes 8j..8j+7 of a block: value 8j+k
// goes to k·lanes+j of its block, times factor[k].
func interleave(dst, x []float32, lanes int, factor *[8]float32) {
	block := 8 * lanes
	for ; len(x) >= block; dst, x = dst[block:], x[block:] {
		for k, f := range factor {
			for j := range lanes {
				dst[k*lanes+j] = f * x[8*j+k]
			}
		}
	}
}

// plain are the factors of an unscaled interleave.
var plain = [8]float32{1, 1, 1, 1, 1, 1, 1, 1}

// interleavePlanes reorders x, a whole number of blocks of 64 values, for
// codebookRow4AVX2, which meets first the low halves of all bytes of a block
// and then the high ones, and of each the bytes 4q..4q+3 of both halves of a
// register, for q from 0 to 3.
func interleavePlanes(dst, x []float32) {
	for ; len(x) >= 64; dst, x = dst[64:], x[64:] {
		for i := range 32 {
			b := 16*(i/4%2) + 4*(i/8) + i%4
			dst[i], dst[32+i] = x[2*b], x[2*b+1]
		}
	}
}
