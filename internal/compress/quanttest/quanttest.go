// Package quanttest reads weight matrices, their second moments and what
// other programs made of them, for tests. The data are the synthetic part of
// reference/quant, a copy of a few cases of which is here, and the whole of it
// where the shared reference data are. It compresses nothing.
package quanttest

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// copied holds the files that make.go wrote: those of reference/quant with
// the cases that it names, and H instead of X among the inputs; and
// binary.json, which binary.py made of those inputs.
//
//go:embed testdata
var copied embed.FS

// Names of the copied matrices; the shared data also have "gate" and "q".
const (
	Heavy = "heavy" // 128×384, Student t with scaled columns; input channel 37 is dead
	Gauss = "gauss" // 96×256
)

// A Set is one source of reference data.
type Set struct {
	files    fs.FS
	parts    map[string]*safetensors.File
	matrices map[string]*Matrix
}

func newSet(files fs.FS) *Set {
	return &Set{files: files, parts: map[string]*safetensors.File{}, matrices: map[string]*Matrix{}}
}

// Copied returns the copied cases.
func Copied(t testing.TB) *Set {
	t.Helper()
	sub, err := fs.Sub(copied, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return newSet(sub)
}

// Run runs f on the copied cases and on the shared data, if they are there.
// The race detector slows arithmetic twentyfold; the copied cases must do
// there.
func Run(t *testing.T, f func(t *testing.T, s *Set)) {
	t.Run("copied", func(t *testing.T) { f(t, Copied(t)) })
	t.Run("shared", func(t *testing.T) {
		if raceDetector {
			t.Skip("too slow under the race detector")
		}
		dir := sharedtest.Dir(t, "reference", "quant")
		f(t, newSet(os.DirFS(dir)))
	})
}

// tensor returns a tensor of a part, such as "rtn".
func (s *Set) tensor(t testing.TB, part, name string) (safetensors.Tensor, bool) {
	t.Helper()
	f := s.parts[part]
	if f == nil {
		b, err := fs.ReadFile(s.files, part+".safetensors")
		if err != nil {
			t.Fatal(err)
		}
		if f, err = safetensors.Parse(part, b); err != nil {
			t.Fatal(err)
		}
		s.parts[part] = f
	}
	return f.Tensor(name)
}

// Has reports whether a part has a tensor.
func (s *Set) Has(t testing.TB, part, name string) bool {
	_, ok := s.tensor(t, part, name)
	return ok
}

// Values returns a tensor as float64, whatever its type, and its shape.
func (s *Set) Values(t testing.TB, part, name string) ([]float64, []int) {
	t.Helper()
	x, ok := s.tensor(t, part, name)
	if !ok {
		t.Fatalf("%s has no %s", part, name)
	}
	le := binary.LittleEndian
	read := map[string]func(b []byte) (float64, int){
		"F64": func(b []byte) (float64, int) { return math.Float64frombits(le.Uint64(b)), 8 },
		"F32": func(b []byte) (float64, int) { return float64(math.Float32frombits(le.Uint32(b))), 4 },
		"I32": func(b []byte) (float64, int) { return float64(int32(le.Uint32(b))), 4 },
		"U8":  func(b []byte) (float64, int) { return float64(b[0]), 1 },
	}[x.DType]
	if read == nil {
		t.Fatalf("%s: %s has the type %s", part, name, x.DType)
	}
	var v []float64
	for b := x.Data; len(b) > 0; {
		f, n := read(b)
		v, b = append(v, f), b[n:]
	}
	return v, x.Shape
}

// Codes returns codes stored two to a byte, the first in the high half.
func (s *Set) Codes(t testing.TB, part, name string) []uint8 {
	t.Helper()
	v, _ := s.Values(t, part, name)
	codes := make([]uint8, 0, 2*len(v))
	for _, b := range v {
		codes = append(codes, uint8(b)>>4, uint8(b)&15)
	}
	return codes
}

// Results decodes the results of a part, by case, and returns the names of
// the cases, sorted.
func Results[T any](t testing.TB, s *Set, part string) (map[string]T, []string) {
	t.Helper()
	b, err := fs.ReadFile(s.files, part+".json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Results map[string]T }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range file.Results {
		names = append(names, name)
	}
	slices.Sort(names)
	return file.Results, names
}

// A Matrix is a weight matrix with the second moments of its inputs.
type Matrix struct {
	Out, In int
	W       []float32 // Out×In
	H       []float64 // In×In, 2/T·XᵀX, without damping
	Tokens  int       // T
	MeanAbs []float64 // mean |x| of the input channels
	whw     float64   // tr(WHWᵀ)
}

// Matrix returns the matrix of a case, whose name starts with the matrix's.
func (s *Set) Matrix(t testing.TB, name string) *Matrix {
	t.Helper()
	name, _, _ = strings.Cut(name, ".")
	if m := s.matrices[name]; m != nil {
		return m
	}
	w, shape := s.Values(t, "inputs", name+".W")
	m := &Matrix{Out: shape[0], In: shape[1], W: Narrow(w)}
	m.H = s.moments(t, name, m.In)
	m.Tokens, m.MeanAbs = 1024, s.meanAbs(t, name, m.In)
	m.whw = m.trace(w)
	s.matrices[name] = m
	return m
}

// FromInputs returns the out×in matrix w with the moments of the inputs x,
// rows of in values.
func FromInputs(w []float32, out, in int, x [][]float64) *Matrix {
	m := &Matrix{Out: out, In: in, W: w, H: make([]float64, in*in), Tokens: len(x), MeanAbs: make([]float64, in)}
	for _, row := range x {
		for i, a := range row {
			m.MeanAbs[i] += math.Abs(a) / float64(len(x))
			for j, b := range row {
				m.H[i*in+j] += 2 / float64(len(x)) * a * b
			}
		}
	}
	m.whw = m.trace(Widen(w))
	return m
}

// moments returns H of a matrix, read or made from its inputs.
func (s *Set) moments(t testing.TB, name string, d int) []float64 {
	moments := make([]float64, d*d)
	if s.Has(t, "inputs", name+".H") {
		h, _ := s.Values(t, "inputs", name+".H")
		for i := range d {
			for j := range i + 1 {
				moments[i*d+j], moments[j*d+i] = h[i*(i+1)/2+j], h[i*(i+1)/2+j]
			}
		}
		return moments
	}
	x, shape := s.Values(t, "inputs", name+".X")
	for k := range shape[0] {
		row := x[k*d : (k+1)*d]
		for i, a := range row {
			a *= 2 / float64(shape[0])
			h := moments[i*d : (i+1)*d]
			for j, b := range row {
				h[j] += a * b
			}
		}
	}
	return moments
}

// meanAbs returns mean |x| of the inputs of a matrix, read or made from them.
func (s *Set) meanAbs(t testing.TB, name string, d int) []float64 {
	if s.Has(t, "inputs", name+".mean_abs") {
		m, _ := s.Values(t, "inputs", name+".mean_abs")
		return m
	}
	x, shape := s.Values(t, "inputs", name+".X")
	m := make([]float64, d)
	for i, v := range x {
		m[i%d] += math.Abs(v) / float64(shape[0])
	}
	return m
}

// Narrow rounds to float32.
func Narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// RelativeFrobenius returns ‖W-Ŵ‖F/‖W‖F.
func (m *Matrix) RelativeFrobenius(what []float64) float64 {
	var e, n float64
	for i, w := range m.W {
		d := float64(w) - what[i]
		e += d * d
		n += float64(w) * float64(w)
	}
	return math.Sqrt(e / n)
}

// Weighted returns tr((W-Ŵ)H(W-Ŵ)ᵀ)/tr(WHWᵀ), the square of the relative
// output error on the inputs that H is made of.
func (m *Matrix) Weighted(what []float64) float64 {
	d := make([]float64, len(what))
	for i, x := range m.W {
		d[i] = float64(x) - what[i]
	}
	return m.trace(d) / m.whw
}

// trace returns tr(AHAᵀ).
func (m *Matrix) trace(a []float64) float64 {
	var sum float64
	for r := range m.Out {
		row := a[r*m.In : (r+1)*m.In]
		for i, x := range row {
			h := m.H[i*m.In : i*m.In+i+1] // H is symmetric
			dot := h[i] * x / 2
			for j, y := range row[:i] {
				dot += h[j] * y
			}
			sum += 2 * x * dot
		}
	}
	return sum
}

// Widen converts to float64.
func Widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// Close reports whether got is want within a relative tolerance; NaN is not.
func Close(got, want, relative float64) bool {
	return math.Abs(got-want) <= relative*math.Abs(want)
}
