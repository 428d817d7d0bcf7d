//go:build !noasm

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go -C _gen generate

// AVX-512 here means what every server processor with it has had since its
// first one: F, BW, DQ and VL.
var (
	haveAVX2   = cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C
	haveAVX512 = haveAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
)

var leavesAVX2 = leaves{
	dot:   func(x, y []float32) float32 { return dotF32AVX2(first32(y[:len(x)]), x) },
	axpy:  func(y []float32, a float32, x []float32) { axpyAVX2(y[:len(x)], a, x) },
	lanes: 8, maxOf: maxAVX2, expSum: expSumAVX2, siluMul: siluMulAVX2,
	dense: map[string]func(w *byte, x []float32) float32{"F32": dotF32AVX2, "F16": dotF16AVX2, "BF16": dotBF16AVX2},
	grid: [9][]gridKernel{
		2: {{lanes: 8, row: gridRow2AVX2}},
		3: {{lanes: 8, row: gridRow3AVX2}},
		4: {{lanes: 8, row: gridRow4AVX2}},
		8: {{lanes: 8, row: gridRow8AVX2}},
	},
	codebook: [9][]codebookKernel{
		2: {{lanes: 8, row: codebookRow2AVX2}},
		3: {{lanes: 8, row: codebookRow3AVX2}},
		4: {{lanes: 8, planes: true, row: codebookRow4AVX2}},
	},
	levels:  [9]levelsRow{2: levelsRow2AVX2, 3: levelsRow3AVX2, 4: levelsRow4AVX2},
	compete: competeMagnitudeAVX2, cellValues: cellValuesAVX2, largestOf: largestOfAVX2,
	widen:  widenF16AVX2,
	unpack: unpackAVX2,
	read:   func(x []float32) float32 { return readVectors(x, 64, probeReadAVX2) },
	steps:  probeFMAAVX2, chains: 12 * 8,
}

// The narrow kernels serve groups of 64 and odd multiples of it.
var leavesAVX512 = leaves{
	dot:   func(x, y []float32) float32 { return dotF32AVX512(first32(y[:len(x)]), x) },
	axpy:  func(y []float32, a float32, x []float32) { axpyAVX512(y[:len(x)], a, x) },
	lanes: 16, maxOf: maxAVX512, expSum: expSumAVX512, siluMul: siluMulAVX512,
	dense: map[string]func(w *byte, x []float32) float32{"F32": dotF32AVX512, "F16": dotF16AVX512, "BF16": dotBF16AVX512},
	grid: [9][]gridKernel{
		2: {{lanes: 16, row: gridRow2AVX512}, {lanes: 8, row: gridRow2AVX2}},
		3: {{lanes: 16, row: gridRow3AVX512}, {lanes: 8, row: gridRow3AVX2}},
		4: {{lanes: 16, row: gridRow4AVX512}, {lanes: 8, row: gridRow4AVX2}},
		8: {{lanes: 16, row: gridRow8AVX512}, {lanes: 8, row: gridRow8AVX2}},
	},
	codebook: [9][]codebookKernel{
		2: {{lanes: 16, row: codebookRow2AVX512}, {lanes: 8, row: codebookRow2AVX2}},
		3: {{lanes: 16, row: codebookRow3AVX512}, {lanes: 8, row: codebookRow3AVX2}},
		4: {{lanes: 16, row: codebookRow4AVX512}, {lanes: 8, planes: true, row: codebookRow4AVX2}},
	},
	levels:  [9]levelsRow{2: levelsRow2AVX2, 3: levelsRow3AVX2, 4: levelsRow4AVX2},
	compete: competeMagnitudeAVX2, cellValues: cellValuesAVX2, largestOf: largestOfAVX2,
	widen:  widenF16AVX2,
	unpack: unpackAVX2,
	read:   func(x []float32) float32 { return readVectors(x, 128, probeReadAVX512) },
	steps:  probeFMAAVX512, chains: 12 * 16,
}

// first32 returns the address of the values as bytes, nil if there are none.
func first32(v []float32) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(v))) }
