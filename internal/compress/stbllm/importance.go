package stbllm

import (
	"math"
	"slices"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// The measures of the importance of weight w of row i and column j. With
// r_ij = |w|/Σ_i|w| + |w|/Σ_j|w|, its share of its column and of its row, and
// ‖x_j‖ the norm of the column's inputs:
const (
	// Relative is r_ij·‖x_j‖^½, what the published runs prune by. Their code
	// also has it standardised over a row, which changes no order in a row.
	Relative = "relative"
	// Standardised is (r_ij − mean)/deviation over the row, times ‖x_j‖, as
	// the paper describes it.
	Standardised = "standardised"
	// Wanda is |w|·‖x_j‖ (arXiv 2306.11695).
	Wanda = "wanda"
)

var importances = []string{Relative, Standardised, Wanda}

// norms returns ‖x_j‖ up to a common factor, from the mean squares of inputs.
func norms(meanSquare []float64) []float64 {
	v := make([]float64, len(meanSquare))
	for j, x := range meanSquare {
		v[j] = math.Sqrt(x)
	}
	return v
}

// keep marks the weights that are kept, out×in: of every 8 adjacent columns
// of a row those of most importance, of equals the first.
func keep(cfg gemm.Config, w []float32, out, in int, norm []float64, o Options) []bool {
	kept := make([]bool, out*in)
	o.eachRow(cfg, w, out, in, norm, func(r int, score []float64) { keepRow(kept[r*in:(r+1)*in], score, o.Keep) })
	return kept
}

// rowsAtOnce is the number of rows that go to a goroutine at a time.
const rowsAtOnce = 64

// eachRow calls f with the importances of every row, valid during the call,
// from several goroutines.
func (o Options) eachRow(cfg gemm.Config, w []float32, out, in int, norm []float64, f func(r int, score []float64)) {
	columns := make([]float64, in)
	for i, x := range w {
		columns[i%in] += math.Abs(float64(x))
	}
	cfg.Parallel((out+rowsAtOnce-1)/rowsAtOnce, func(i int) {
		score := make([]float64, in)
		for r := i * rowsAtOnce; r < min((i+1)*rowsAtOnce, out); r++ {
			o.scores(score, w[r*in:(r+1)*in], columns, norm)
			f(r, score)
		}
	})
}

// scores sets the importance of a row's weights, −∞ in dead channels.
func (o Options) scores(dst []float64, row []float32, columns, norm []float64) {
	var sum float64
	for _, x := range row {
		sum += math.Abs(float64(x))
	}
	for j, x := range row {
		a := math.Abs(float64(x))
		if dst[j] = a; a > 0 && o.Importance != Wanda {
			dst[j] = a/columns[j] + a/sum
		}
	}
	if o.Importance == Standardised {
		standardise(dst)
	}
	for j := range dst {
		switch {
		case norm[j] == 0:
			dst[j] = math.Inf(-1)
		case o.Importance == Relative:
			dst[j] *= math.Sqrt(norm[j])
		default:
			dst[j] *= norm[j]
		}
	}
}

// standardise subtracts the mean and divides by the standard deviation of n-1,
// to which the published code adds 1e-5.
func standardise(v []float64) {
	var mean, squares float64
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		squares += float64((x - mean) * (x - mean))
	}
	deviation := math.Sqrt(squares/float64(max(1, len(v)-1))) + 1e-5
	for i, x := range v {
		v[i] = (x - mean) / deviation
	}
}

// keepRow marks the highest scores of every 8 columns.
func keepRow(kept []bool, score []float64, keep int) {
	for c := 0; c < len(score); c += packed.PatternWidth {
		part := score[c:min(c+packed.PatternWidth, len(score))]
		order := []int{0, 1, 2, 3, 4, 5, 6, 7}[:len(part)]
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case part[a] > part[b]:
				return -1
			case part[a] < part[b]:
				return 1
			}
			return 0
		})
		for _, j := range order[:packed.KeptOf(len(part), keep)] {
			kept[c+j] = true
		}
	}
}
