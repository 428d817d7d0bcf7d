package stbllm

import (
	"fmt"
	"testing"

	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// outlierRow is a matrix of 1000 columns and one row with so many weights of
// 100 among ones. 10 of them make a mean of 1.99 and a bound of 11.9, 20 one of
// 2.98 and 17.9.
func outlierRow(outliers int) []float32 {
	w := make([]float32, 1000)
	for i := range w {
		w[i] = 1
		if i < outliers {
			w[i] = -100
		}
	}
	return w
}

// TestLayers: shares of 0, 1 and 2 % become 0, 1 and 2 and, less their mean, -1, 0
// and 1, of which 1 counts as 2. In units of a bit per 8 weights, keeping 1 to
// 8 takes 6 11 15 19 21 23 24 24: from 4 all keep 3+4+6 in the 3·19 = 57 that
// they may take; from 5 they would keep 4+5+7 in 64 of 63, so that the third
// keeps 6; from 1 none can keep less, and so none more.
func TestLayers(t *testing.T) {
	ones := make([]float64, 1000)
	for i := range ones {
		ones[i] = 1
	}
	for keep, want := range map[int]string{4: "[3 4 6]", 5: "[4 5 6]", 1: "[1 1 1]"} {
		var l Layers
		for layer := range 3 {
			o := DefaultOptions()
			o.Keep, o.Importance = keep, Wanda
			l.Add(gemm.Config{}, layer, outlierRow(10*layer), 1, 1000, ones, o)
		}
		var keeps []int
		for _, o := range l.Settle() {
			keeps = append(keeps, o.Keep)
		}
		if fmt.Sprint(keeps) != want {
			t.Errorf("from %d: %v, want %s", keep, keeps, want)
		}
	}
	// Two matrices of a layer count together: 30 of 2000 and 20 of 2000, and
	// with nothing between the two least and most, -1 and 1.
	var l Layers
	for i, n := range []int{0, 30, 10, 10} {
		o := DefaultOptions()
		o.Importance = Wanda
		l.Add(gemm.Config{}, i/2, outlierRow(n), 1, 1000, ones, o)
	}
	if got := l.shifts(); len(got) != 2 || got[0] != 1 || got[1] != -1 {
		t.Errorf("shifts %v, want 1 and -1", got)
	}
	// 10 of 1000 weights of 5.8 are 5.53 times the mean, of 6.6 6.25 times: 6
	// makes an outlier.
	for value, want := range map[float32]float64{5.8: 0, 6.6: 0.01} {
		var l Layers
		w := outlierRow(0)
		for i := range 10 {
			w[i] = value
		}
		o := DefaultOptions()
		o.Importance = Wanda
		l.Add(gemm.Config{}, 0, w, 1, 1000, ones, o)
		if got := l.stats[0].outliers(); got != want {
			t.Errorf("weights of %v: %v are outliers, want %v", value, got, want)
		}
	}
	// Layers alike all keep the same.
	var alike Layers
	for layer := range 3 {
		alike.Add(gemm.Config{}, layer, outlierRow(7), 1, 1000, ones, DefaultOptions())
	}
	for _, o := range alike.Settle() {
		if o.Keep != 4 || o.Layers != Uniform {
			t.Errorf("alike: %+v", o)
		}
	}
}
