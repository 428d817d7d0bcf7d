package packed

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

func TestRandomCodes(t *testing.T) {
	for _, bits := range []int{2, 3, 4, 8} {
		const rows, n = 40, 131
		b := RandomCodes(rand.New(rand.NewPCG(1, 2)), rows, n, bits)
		rb := RowBytes(n, bits)
		count := make([]int, 1<<bits)
		codes, again := make([]uint8, n), make([]byte, rb)
		for r := range rows {
			row := b[r*rb : (r+1)*rb]
			UnpackRow(codes, row, n, bits)
			PackRow(again, codes, bits)
			if !bytes.Equal(row, again) {
				t.Fatalf("%d bits: row %d has bits behind its last code", bits, r)
			}
			for _, c := range codes {
				count[c]++
			}
		}
		// Each count is binomial; the seed is fixed, so that six standard
		// deviations are no flake.
		p := 1 / float64(len(count))
		mean := p * rows * n
		for c, k := range count {
			if math.Abs(float64(k)-mean) > 6*math.Sqrt(mean*(1-p)) {
				t.Errorf("%d bits: code %d drawn %d times, want about %.0f", bits, c, k, mean)
			}
		}
	}
}

func TestRandomValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 1001
	bf := &Dense{Out: 1, In: n, DType: "BF16", Data: RandomBF16(rng, n)}
	row := make([]float32, n)
	bf.Dequantize(row, 0, 1)
	for _, h := range RandomF16(rng, n) {
		row = append(row, F16ToF32(h))
	}
	negative, seen := 0, map[float32]bool{}
	for i, v := range row {
		if a := math.Abs(float64(v)); !(a >= 1./16 && a < 1./8) {
			t.Fatalf("value %d is %v, want a magnitude from 1/16 to 1/8", i, v)
		}
		if v < 0 {
			negative++
		}
		seen[v] = true
	}
	// 2002 fair coins: mean 1001, standard deviation 22.
	if negative < 1001-6*22 || negative > 1001+6*22 || len(seen) < 500 {
		t.Errorf("%d of %d negative, %d different values", negative, len(row), len(seen))
	}
}
