package approx

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sketchbench/sketchbench/internal/linalg"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// drawn is a random codebook and a random matrix of its size.
func drawn(out, in, bits, group int, seed uint64) (*packed.Codebook, []float32) {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &packed.Codebook{Out: out, In: in, Bits: bits, Group: group, Table: packed.RandomF16(rng, out*in/group<<bits)}
	w.Codes = make([]byte, out*packed.RowBytes(in, bits))
	for i := range w.Codes {
		w.Codes[i] = byte(rng.Uint32())
	}
	a := make([]float32, out*in)
	for i := range a {
		a[i] = float32(rng.NormFloat64())
	}
	return w, a
}

var projections = []struct{ out, in, bits, group int }{{5, 24, 2, 24}, {7, 64, 4, 16}, {3, 40, 3, 8}, {1, 1, 2, 1}, {2, 300, 8, 150}}

// TestCheck22Projection: the projection of reading (i) is idempotent, is no worse
// than zero, leaves alone what is constant on clusters, and its error is
// orthogonal to what it keeps.
func TestCheck22Projection(t *testing.T) {
	for i, s := range projections {
		w, a := drawn(s.out, s.in, s.bits, s.group, uint64(i))
		once, twice := make([]float32, len(a)), make([]float32, len(a))
		errSq := Project(gemm.Config{}, once, a, w)
		var norm, kept, direct float64
		for j, v := range a {
			norm += float64(v) * float64(v)
			kept += float64(once[j]) * float64(once[j])
			direct += (float64(v) - float64(once[j])) * (float64(v) - float64(once[j]))
		}
		if !(errSq <= norm) {
			t.Errorf("%+v: error %v, zero has %v", s, errSq, norm)
		}
		// Entries are rounded to 2⁻²⁴ of themselves.
		if !(math.Abs(direct-errSq) <= 1e-6*norm) || !(math.Abs(norm-kept-errSq) <= 1e-6*norm) {
			t.Errorf("%+v: error %v, of the rounded matrix %v, by Pythagoras %v", s, errSq, direct, norm-kept)
		}
		// The mean of equal float32 values is that value: sums are exact in float64.
		if again := Project(gemm.Config{Threads: 2}, twice, once, w); again != 0 || !slices.Equal(once, twice) {
			t.Errorf("%+v: projected again, the error is %v", s, again)
		}
		constant := make([]float32, len(a))
		w.Dequantize(constant, 0, s.out) // a value for each cluster
		if errSq := Project(gemm.Config{}, constant, constant, w); errSq != 0 {
			t.Errorf("%+v: error %v where Δ is constant on the clusters", s, errSq)
		}
	}
}

// TestProjectByHand: one row of two groups, one bit of two used.
//
//	codes 0 1 0 | 1 1 0, Δ = 1 5 3 | 2 4 -1
//	means 2 5 2 | 3 3 -1, errors 1 0 1 | 1 1 0: 4
func TestProjectByHand(t *testing.T) {
	w := &packed.Codebook{Out: 1, In: 6, Bits: 2, Group: 3, Codes: []byte{0b01000100, 0b0001}, Table: make([]uint16, 8)}
	got := make([]float32, 6)
	errSq := Project(gemm.Config{}, got, []float32{1, 5, 3, 2, 4, -1}, w)
	if want := []float32{2, 5, 2, 3, 3, -1}; errSq != 4 || !slices.Equal(got, want) {
		t.Errorf("%v, error %v, want %v, 4", got, errSq, want)
	}
}

// TestSketch: a codebook is one with a sparse matrix added, and nothing else is.
func TestSketch(t *testing.T) {
	w, a := drawn(2, 8, 2, 8, 1)
	sum := func(terms ...packed.Weight) packed.Weight { return &packed.Sum{Terms: terms} }
	for _, tt := range []struct {
		w    packed.Weight
		want bool
	}{
		{w, true}, {sum(w, &packed.Sparse{Out: 2, In: 8}), true},
		{nil, false}, {dense(2, 8, a), false}, {sum(w, w), false}, {sum(w, &packed.LowRank{Out: 2, In: 8}), false}, {sum(dense(2, 8, a), &packed.Sparse{Out: 2, In: 8}), false},
	} {
		if got, ok := Sketch(tt.w); ok != tt.want || ok && got != w {
			t.Errorf("%T %+v: %v", tt.w, tt.w, ok)
		}
	}
}

// TestKMeansBounds: no mapping of as many tables projects better than the one
// that Δ has itself; with as many values as there are, nothing is lost.
func TestKMeansBounds(t *testing.T) {
	for i, s := range projections {
		w, a := drawn(s.out, s.in, s.bits, s.group, uint64(i))
		projected := Project(gemm.Config{}, make([]float32, len(a)), a, w)
		best, err := KMeans(gemm.Config{}, a, s.out, s.in, w.Groups(), 1<<s.bits)
		if err != nil || !(best <= projected*(1+1e-12)) || s.group <= 1<<s.bits && best != 0 {
			t.Errorf("%+v: k-means %v, projection %v, %v", s, best, projected, err)
		}
	}
}

// TestRandomBuckets: one bucket keeps the mean of all, as many as entries keep
// all, and in expectation the kept share of independent entries of mean 0 is
// buckets/entries. A bucket keeps σ²·χ²₁, so the share over B buckets has the
// relative deviation √(2/B).
func TestRandomBuckets(t *testing.T) {
	a := []float32{1, 2, 3, 6}
	rng := rand.New(rand.NewPCG(1, 1))
	if one, all := RandomBuckets(a, 1, rng), RandomBuckets(a, 4, rng); one != 14 || all != 0 { // mean 3: 4+1+0+9
		t.Errorf("errors %v and %v, want 14 and 0", one, all)
	}
	const n, times = 1 << 14, 10
	for _, buckets := range []int{n / 4, n / 32, 1000} {
		var share float64
		for i := range times {
			_, a := drawn(128, n/128, 2, 4, uint64(i))
			var norm float64
			for _, v := range a {
				norm += float64(v) * float64(v)
			}
			share += (1 - RandomBuckets(a, buckets, rng)/norm) / times
		}
		want := float64(buckets) / n
		if sd := want * math.Sqrt(2/float64(buckets)/times); !(math.Abs(share-want) < 5*sd) {
			t.Errorf("%d buckets keep %v, want %v ± %v", buckets, share, want, sd)
		}
	}
}

// TestCheck20Rank: the rank of equal trainables and that of equal bytes.
func TestCheck20Rank(t *testing.T) {
	for _, tt := range []struct{ n, d, bits, groups, want int }{
		{4096, 4096, 4, 1, 8}, {512, 512, 4, 1, 8}, {4096, 4096, 4, 4, 32}, {4096, 4096, 2, 4, 8},
		{256, 768, 4, 1, 4},      // 4096 / 1024
		{4096, 11008, 4, 1, 4},   // 65536 / 15104 = 4.34
		{14336, 4096, 4, 1, 12},  // 229376 / 18432 = 12.44
		{1024, 4096, 2, 1, 1},    // 4096 / 5120 = 0.8
		{1024, 14336, 2, 1, 0},   // 4096 / 15360 = 0.27
		{4096, 4096, 4, 8, 64},   // g = 8
		{14336, 4096, 3, 1, 6},   // 114688 / 18432 = 6.22
		{4096, 14336, 3, 16, 28}, // 524288 / 18432 = 28.4
	} {
		if got := EqualTrainables(tt.n*tt.groups<<tt.bits, tt.n, tt.d); got != tt.want {
			t.Errorf("%+v: rank %d", tt, got)
		}
	}
	// 4 bits in 4096 columns and 16 entries of 2 bytes a row are 2080 bytes a
	// row; rank 1 has 2·8192 bytes: 520.
	if got := EqualBytes(4096*(2048+32), 4096, 4096); got != 520 {
		t.Errorf("rank %d of equal bytes, want 520", got)
	}
}

// TestPrescribed: the matrix has the squared singular values i^(−η), to the
// rounding of its float32 factors, and the fit finds η with an error near 0.
func TestPrescribed(t *testing.T) {
	const n = 96
	f, err := NewFactors(gemm.Config{}, n, rand.New(rand.NewPCG(1, 3)))
	if err != nil {
		t.Fatal(err)
	}
	for _, eta := range []float64{0, 0.3, 1, 2} {
		s, err := SpectrumOf(gemm.Config{}, f.Prescribed(gemm.Config{}, eta), n, n)
		if err != nil {
			t.Fatal(err)
		}
		var energy float64
		for i, v := range s {
			want := math.Pow(float64(i+1), -eta/2)
			energy += want * want
			if !(math.Abs(v-want) < 1e-5) {
				t.Errorf("η = %v: σ[%d] = %v, want %v", eta, i, v, want)
			}
		}
		// σ are off by 1e-5 at most, ln σ by 1e-5·i^(η/2) ≤ 1e-3.
		p, ok := s.PowerLaw()
		if !ok || p.Points != 86 || !(math.Abs(p.Eta-eta) < 1e-3) || !(p.SE < 1e-3) {
			t.Errorf("η = %v: fit %+v", eta, p)
		}
		if !(math.Abs(s.Energy()/energy-1) < 1e-5) {
			t.Errorf("η = %v: energy %v, want %v", eta, s.Energy(), energy)
		}
	}
}

// TestSpectrum holds errors of low rank to those of a decomposition that
// multiplies its factors out, and the rank of a share to its definition.
func TestSpectrum(t *testing.T) {
	_, a := drawn(40, 60, 2, 4, 5)
	s, err := SpectrumOf(gemm.Config{}, a, 40, 60)
	if err != nil {
		t.Fatal(err)
	}
	for _, rank := range []int{1, 8, 30} {
		d, err := linalg.RandomizedSVD(gemm.Config{}, a, 40, 60, rank, linalg.DefaultSVDOptions())
		if err != nil {
			t.Fatal(err)
		}
		if got := math.Sqrt(s.ErrSq(rank) / s.Energy()); !(math.Abs(got-d.Residual) < 1e-5) {
			t.Errorf("rank %d: error %v, want %v", rank, got, d.Residual)
		}
	}
	if s.ErrSq(40) != 0 || s.ErrSq(100) != 0 {
		t.Error("full rank has an error")
	}
	r := s.RankFor(0.75)
	if !(s.ErrSq(r) <= 0.25*s.Energy() && s.ErrSq(r-1) > 0.25*s.Energy()) {
		t.Errorf("rank %d keeps 75 %%", r)
	}
	hand := Spectrum{3, 2, 1, 0} // squares 9 4 1 0 of 14
	if hand.Energy() != 14 || hand.Rank() != 3 || hand.RankFor(0.75) != 2 || hand.RankFor(0.6) != 1 || hand.ErrSq(1) != 5 {
		t.Errorf("by hand: energy %v, rank %d, 75 %% at %d", hand.Energy(), hand.Rank(), hand.RankFor(0.75))
	}
	zero := Spectrum{0, 0}
	if _, ok := zero.PowerLaw(); ok || zero.RankFor(0.75) != 0 {
		t.Error("a zero matrix has an exponent")
	}
}

// TestPowerLawMatrix compares with the sandwich written out in matrices,
// (XᵀX)⁻¹·Xᵀ·diag(e²/(1−h)²)·X·(XᵀX)⁻¹.
func TestPowerLawMatrix(t *testing.T) {
	s := Spectrum{9, 4, 3.5, 2, 1.9, 1.1, 1, 0.7, 0.4, 0.39}
	const n = 9
	x, y := mat.NewDense(n, 2, nil), mat.NewVecDense(n, nil)
	for i := range n {
		x.SetRow(i, []float64{1, math.Log(float64(i + 1))})
		y.SetVec(i, math.Log(s[i]))
	}
	var xtx, inv, hat, b, cov mat.Dense
	xtx.Mul(x.T(), x)
	if err := inv.Inverse(&xtx); err != nil {
		t.Fatal(err)
	}
	b.Mul(&inv, x.T())
	hat.Mul(x, &b)
	var coef, fitted mat.VecDense
	coef.MulVec(&b, y)
	fitted.MulVec(x, &coef)
	scaled := mat.DenseCopyOf(x)
	for i := range n {
		e := (y.AtVec(i) - fitted.AtVec(i)) / (1 - hat.At(i, i))
		scaled.SetRow(i, []float64{e * x.At(i, 0), e * x.At(i, 1)})
	}
	var meat mat.Dense
	meat.Mul(scaled.T(), scaled)
	cov.Product(&inv, &meat, &inv)
	p, ok := s.PowerLaw()
	if !ok || p.Points != n || !(math.Abs(p.Eta+2*coef.AtVec(1)) < 1e-12) || !(math.Abs(p.SE-2*math.Sqrt(cov.At(1, 1))) < 1e-12) {
		t.Errorf("%+v, want η %v ± %v", p, -2*coef.AtVec(1), 2*math.Sqrt(cov.At(1, 1)))
	}
}

// TestPowerLawReference compares with statsmodels' OLS with HC3.
func TestPowerLawReference(t *testing.T) {
	b, err := os.ReadFile("../../results/summary/testdata/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Fit struct {
			Sigma  Spectrum `json:"singular_values"`
			Points int
			Eta    float64 `json:"eta_s"`
			SE     float64 `json:"eta_s_se_HC3"`
		} `json:"power_law_fit"`
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	p, ok := ref.Fit.Sigma.PowerLaw()
	if !ok || p.Points != ref.Fit.Points || !(math.Abs(p.Eta-2*ref.Fit.Eta) < 1e-10) || !(math.Abs(p.SE-2*ref.Fit.SE) < 1e-10) {
		t.Errorf("%+v, want %+v", p, ref.Fit)
	}
}
