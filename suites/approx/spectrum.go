package approx

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// A Spectrum is the singular values of a matrix, falling. Values below 10⁻⁶ of
// the first are given as 0.
type Spectrum []float64

// SpectrumOf returns all singular values of the out×in matrix a.
func SpectrumOf(cfg gemm.Config, a []float32, out, in int) (Spectrum, error) {
	return linalg.SingularValues(cfg, a, out, in)
}

// Energy returns the sum of the squares, ‖A‖²F.
func (s Spectrum) Energy() float64 { return s.ErrSq(0) }

// ErrSq returns ‖A − A_r‖²F for the best approximation of that rank, the sum of
// the squares behind it (Eckart and Young): low rank at its optimum, with
// factors of full precision.
func (s Spectrum) ErrSq(rank int) float64 {
	var e float64
	for i := len(s) - 1; i >= min(rank, len(s)); i-- { // small ones first
		e += s[i] * s[i]
	}
	return e
}

// RankFor returns the least rank that keeps that share of the energy; 0 for a
// zero matrix.
func (s Spectrum) RankFor(share float64) int {
	want, kept := share*s.Energy(), 0.0
	for r, v := range s {
		if kept >= want {
			return r
		}
		kept += v * v
	}
	return len(s)
}

// Rank returns how many values are not 0.
func (s Spectrum) Rank() int {
	for r, v := range s {
		if v == 0 {
			return r
		}
	}
	return len(s)
}

// EqualTrainables returns the rank at which an out×in product has as many
// numbers as a sketch has table entries, to the nearest: round(2^b·n·g/(n+d))
// for n rows, d columns, b bits and g groups per row (methods.md 2.9).
func EqualTrainables(entries, out, in int) int {
	return int(math.Round(float64(entries) / float64(out+in)))
}

// EqualBytes returns the largest rank at which an out×in product in 16-bit
// factors takes at most so many bytes.
func EqualBytes(bytes int64, out, in int) int { return int(bytes / (2 * int64(out+in))) }

// A PowerLaw is a fit of σ_i² ~ i^(−Eta), by least squares of
// ln σ_i = c − (Eta/2)·ln i over i = 1..⌊0.9·rank⌋ (protocol.md 2.7).
type PowerLaw struct {
	Eta    float64 // exponent of σ², the theorem's η
	SE     float64 // its standard error, HC3: residuals need not be alike
	Points int
}

// minPoints is the fewest points through which a line with an error is fitted.
const minPoints = 3

// PowerLaw fits the exponent; ok is false where there are too few values. HC3
// (MacKinnon and White 1985) divides each residual by one minus its leverage.
func (s Spectrum) PowerLaw() (p PowerLaw, ok bool) {
	p.Points = s.Rank() * 9 / 10
	if p.Points < minPoints {
		return p, false
	}
	n := float64(p.Points)
	var mx, my float64
	for i, v := range s[:p.Points] {
		mx += math.Log(float64(i+1)) / n
		my += math.Log(v) / n
	}
	var sxx, sxy float64
	for i, v := range s[:p.Points] {
		dx := math.Log(float64(i+1)) - mx
		sxx += dx * dx
		sxy += dx * (math.Log(v) - my)
	}
	slope := sxy / sxx
	var meat float64
	for i, v := range s[:p.Points] {
		dx := math.Log(float64(i+1)) - mx
		e := (math.Log(v) - my - slope*dx) / (1 - 1/n - dx*dx/sxx)
		meat += dx * dx * e * e
	}
	p.Eta, p.SE = -2*slope, 2*math.Sqrt(meat)/sxx
	return p, true
}

// Factors are two random orthogonal n×n matrices.
type Factors struct {
	n    int
	u, v []float32
}

// NewFactors draws them from the uniform distribution.
func NewFactors(cfg gemm.Config, n int, rng *rand.Rand) (*Factors, error) {
	u, err := linalg.RandomOrthogonal(cfg, n, rng)
	if err != nil {
		return nil, err
	}
	v, err := linalg.RandomOrthogonal(cfg, n, rng)
	return &Factors{n, u, v}, err
}

// Prescribed returns U·diag(i^(−eta/2))·Vᵀ, n×n: squared singular values fall
// as i^(−eta) (methods.md 2.8).
func (f *Factors) Prescribed(cfg gemm.Config, eta float64) []float32 {
	if !(eta >= 0) {
		panic(fmt.Sprintf("approx: exponent %v, want 0 or more", eta))
	}
	n := f.n
	us := make([]float32, n*n) // rows are columns of U·diag(σ)
	for i := range n {
		sigma := float32(math.Pow(float64(i+1), -eta/2))
		for j, x := range f.u[i*n : (i+1)*n] {
			us[i*n+j] = sigma * x
		}
	}
	a := make([]float32, n*n)
	cfg.Gemm(true, false, n, n, n, 1, us, n, f.v, n, 0, a, n)
	return a
}
