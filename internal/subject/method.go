package subject

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/sketchbench/sketchbench/internal/compress/compensate"
	"github.com/sketchbench/sketchbench/internal/foreign"
	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// Moments says what a method wants to know about a matrix's inputs.
type Moments int

// What a method may want to know.
const (
	NoMoments     Moments = iota
	MeanSquares           // E[x²] and E|x| of every input channel
	SecondMoments         // H = 2/T·XᵀX, and earlier layers compressed first
)

// A Matrix is one linear layer as a method sees it.
type Matrix struct {
	Spec model.LinearSpec
	W    []float32 // out×in; the method may overwrite it, and must not keep it
	Gemm gemm.Config
	Seed uint64 // of this matrix, from the case's seed and the tensor's name
	// MeanSquare holds E[x²] of the inputs and MeanAbs E|x|, for methods that
	// ask for moments.
	MeanSquare, MeanAbs []float64
	// Factor returns the factorisation of the second moments, which matrices
	// of the same input share. Only for methods that ask for SecondMoments.
	Factor func(compensate.FactorOptions) (*compensate.Factor, error)
	// Root returns the square root of the second moments, shared likewise. A
	// method may ask for one of the two.
	Root func() (linalg.Root, error)
	// H returns the second moments 2/T·XᵀX without damping, in×in, shared by
	// the matrices of one input and not to be changed. Only for methods that
	// ask for SecondMoments and whose KeepsH says so.
	H func() []float32
	// note takes a diagnostic of the matrix; see Note.
	note func(metric string, value float64)
}

// Note keeps a diagnostic of the matrix, under the name of a metric of the
// suite approx, which records it. It is kept beside the artefact and decides
// nothing.
func (m Matrix) Note(metric string, value float64) {
	if m.note != nil {
		m.note(metric, value)
	}
}

// A Method compresses matrices. Options are pointers to the options struct of
// the method's own package, as New returns them.
type Method struct {
	Name    string
	Version int  // bumped when output changes
	Chance  bool // the seed changes the result
	Moments Moments
	// KeepsH says, for methods that ask for SecondMoments, that options want H
	// itself beside its factor, at the price of a copy. Nil for never.
	KeepsH func(o any) bool
	// BaseInputs says, for methods that ask for SecondMoments, that options
	// want those of the uncompressed model. Overrides must agree with the
	// case's own. Nil for never.
	BaseInputs func(o any) bool
	// New returns the default options.
	New func() any
	// Check returns the faults of options, each starting with the field.
	Check func(o any) []error
	// CheckShape returns the fault, if any, of options on a matrix.
	CheckShape func(o any, out, in int) error
	// Nominal returns the bits per weight that the options aim at, 0 where they
	// name no such number: then those stored count.
	Nominal func(o any) float64
	// StoredBytes returns the bytes of a compressed out×in matrix; where they
	// depend on the weights, the most that they can be.
	StoredBytes func(o any, out, in int) int64
	// Decomposes says that every matrix costs a singular value decomposition,
	// Hashed that every weight is found by a hash: both for estimates of time.
	Decomposes, Hashed bool
	// Passes returns how many times over options have that work done, for
	// estimates of time. Nil for always once.
	Passes func(o any) float64
	// Told names the options that stand in the label of every case, given in the
	// scenario or not: a reader of the table must know them.
	Told []string
	// Tokens returns the fewest calibration tokens that options can do with on an
	// out×in matrix. Nil where damping makes up for any number.
	Tokens func(o any, out, in int) int
	// Knobs names the options that decide the size and that Fit sets; a
	// scenario that asks for bytes must not give them.
	Knobs []string
	// Fit returns a copy of options with the largest setting of the knobs at
	// which an out×in matrix takes at most so many bytes. The error says how
	// many the smallest setting takes. Nil if the method has no knob.
	Fit func(o any, out, in int, target int64) (any, error)
	// Budget returns the first phase of options under which matrices share
	// their bytes, and nil for others. Nil if there are no such options.
	Budget func(o any) *Budget
	// Source says which files options name, for methods that take weights from
	// others' files: what their cases cover and take, the files say. The fault
	// starts with the field. Nil for all other methods.
	Source func(o any) (foreign.Source, error)
	// Together returns how options want matrices compressed that share what
	// they store, and nil for options that store each by itself. Nil if there
	// are no such options. Not for methods that ask for SecondMoments.
	Together func(o any) *Together
	// Covers reports whether the method compresses a tensor by itself, before
	// the scenario's only and except.
	Covers func(tensor string) bool
	// Compress compresses one matrix. Nil for dense, which leaves all alone, and
	// for methods that have a Source.
	Compress func(m Matrix, o any) (packed.Weight, error)
	// Draw returns a random out×in matrix in the method's format, of as many
	// bytes as StoredBytes says; dense ones are bf16.
	Draw func(o any, out, in int, rng *rand.Rand) packed.Weight
}

// Dense reports whether the method leaves the model as it is.
func (m *Method) Dense() bool { return m.Compress == nil && m.Source == nil }

// LookupMethod returns the method of that name.
func LookupMethod(name string) (*Method, bool) {
	for i := range methods {
		if methods[i].Name == name {
			return &methods[i], true
		}
	}
	return nil, false
}

// MethodNames lists the methods in the order of the documentation.
func MethodNames() []string {
	var names []string
	for _, m := range methods {
		names = append(names, m.Name)
	}
	return names
}

// Params returns the fields of an options struct by scenario name: the
// complete parameters that stand in records and hashes.
func Params(o any) map[string]any {
	v := reflect.ValueOf(o).Elem()
	p := map[string]any{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		switch f := v.Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			p[name] = f.Int()
		case reflect.Float64:
			p[name] = f.Float()
		case reflect.Bool:
			p[name] = f.Bool()
		case reflect.String:
			p[name] = f.String()
		default:
			panic(fmt.Sprintf("subject: option %s is a %v, want a scalar", name, f.Kind()))
		}
	}
	return p
}
