package linalg

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// BenchmarkRandomizedSVDFile is our side of bench/peers/svd_lowrank.py: it
// decomposes the matrix in the raw float32 file SKETCHBENCH_SVD_MATRIX, of the
// shape and rank SKETCHBENCH_SVD_SHAPE (m×n×k, written with x), and writes
// beside it the factors (.u, .s, .v) and the milliseconds of each call (.json).
func BenchmarkRandomizedSVDFile(b *testing.B) {
	path := os.Getenv("SKETCHBENCH_SVD_MATRIX")
	if path == "" {
		b.Skip("only from bench/peers/svd_lowrank.py")
	}
	var m, n, k int
	if _, err := fmt.Sscanf(os.Getenv("SKETCHBENCH_SVD_SHAPE"), "%dx%dx%d", &m, &n, &k); err != nil {
		b.Fatal(err)
	}
	a := make([]float32, m*n)
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) != 4*len(a) {
		b.Fatalf("%s: %d bytes, want %d: %v", path, len(raw), 4*len(a), err)
	}
	for i := range a {
		a[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	var s SVD
	var times []float64
	decompose := func() {
		start := time.Now()
		if s, err = RandomizedSVD(gemm.Config{}, a, m, n, k, DefaultSVDOptions()); err != nil {
			b.Fatal(err)
		}
		times = append(times, 1e3*time.Since(start).Seconds())
	}
	decompose() // untimed by the caller, who takes the last b.N
	for b.Loop() {
		decompose()
	}
	text, err := json.Marshal(times)
	if err == nil {
		err = os.WriteFile(path+".json", text, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
	values := make([]float32, k)
	for i, x := range s.S {
		values[i] = float32(x)
	}
	for name, part := range map[string][]float32{".u": s.U, ".s": values, ".v": s.V} {
		raw := make([]byte, 0, 4*len(part))
		for _, x := range part {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		if err := os.WriteFile(path+name, raw, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}
