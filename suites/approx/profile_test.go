package approx

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
)

func denseOf(out, in int, values []float32) packed.Weight {
	w := &packed.Dense{Out: out, In: in, DType: "F32"}
	for _, v := range values {
		w.Data = binary.LittleEndian.AppendUint32(w.Data, math.Float32bits(v))
	}
	return w
}

// TestProfile: twenty weights ±1 … ±20 make two to a decile. Ŵ is 0 for the
// smallest two, turns the sign of 3 and -4, halves 5 and 6, and keeps the rest.
func TestProfile(t *testing.T) {
	w, what := make([]float32, 20), make([]float32, 20)
	for i := range w {
		w[i] = float32(i + 1)
		if i%2 == 1 {
			w[i] = -w[i]
		}
		what[i] = w[i]
	}
	what[0], what[1] = 0, 0
	what[2], what[3] = -3, 4
	what[4], what[5] = 2.5, -3
	p, err := ProfileOf(denseOf(4, 5, w), denseOf(4, 5, what))
	if err != nil {
		t.Fatal(err)
	}
	if p.ZeroedSq != 1+4 || p.Flips != 2 {
		t.Errorf("zeroed %v, flips %d", p.ZeroedSq, p.Flips)
	}
	want := [Deciles]Distance{{1 + 4, 1 + 4}, {36 + 64, 9 + 16}, {6.25 + 9, 25 + 36}}
	for d := 3; d < Deciles; d++ {
		a, b := float64(2*d+1), float64(2*d+2)
		want[d].RefSq = a*a + b*b
	}
	if p.Decile != want {
		t.Errorf("deciles %v, want %v", p.Decile, want)
	}
	twice := p
	twice.Add(p)
	if twice.Flips != 4 || twice.Decile[1].ErrSq != 200 || twice.ZeroedSq != 10 {
		t.Errorf("sum %+v", twice)
	}
	whole, err := Weights(denseOf(4, 5, w), denseOf(4, 5, what))
	if err != nil {
		t.Fatal(err)
	}
	var sum Distance
	for _, d := range p.Decile {
		sum.ErrSq, sum.RefSq = sum.ErrSq+d.ErrSq, sum.RefSq+d.RefSq
	}
	if sum != whole {
		t.Errorf("deciles sum to %v, the whole is %v", sum, whole)
	}
	// Weights that are all equal stay together, whatever decile that is.
	equal := make([]float32, 20)
	for i := range equal {
		equal[i] = 3
	}
	if p, err = ProfileOf(denseOf(4, 5, equal), denseOf(4, 5, w)); err != nil || p.Decile[5].RefSq != 180 {
		t.Errorf("%v %v", p, err)
	}
}
