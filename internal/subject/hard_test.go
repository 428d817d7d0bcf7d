package subject

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// hardOptions returns options of a method that fit a shape: its defaults, else
// the largest size, else those of the fixture.
func hardOptions(t *testing.T, m *Method, out, in int) (any, bool) {
	t.Helper()
	options := []any{m.New()}
	if m.Fit != nil {
		if o, err := m.Fit(m.New(), out, in, 1<<20); err == nil {
			options = append(options, o)
		}
	}
	options = append(options, fixtureOf(t, m.Name).sizes...)
	i := slices.IndexFunc(options, func(o any) bool { return m.CheckShape(o, out, in) == nil })
	if i < 0 {
		return nil, false
	}
	return options[i], true
}

func compressOn(t *testing.T, m *Method, o any, out, in, threads int, value func(i int) float32) (packed.Weight, map[string]float64, error) {
	t.Helper()
	cfg := gemmConfig(t)
	cfg.Threads = threads
	x := randomMatrix(t, cfg, out, in)
	if value != nil {
		for i := range x.W {
			x.W[i] = value(i)
		}
	}
	notes := map[string]float64{}
	x.note = func(metric string, v float64) { notes[metric] = v }
	w, err := m.Compress(x, o)
	return w, notes, err
}

// TestHardMatrices: every method takes matrices of zeros and of constant rows,
// of one row, of one column and of one weight, or says by CheckShape what it
// wants; what it makes is sound and finite, and so is what it notes. A weight
// that is not finite is an error that names it.
func TestHardMatrices(t *testing.T) {
	for i := range methods {
		m := &methods[i]
		if m.Compress == nil {
			continue
		}
		for _, shape := range [][2]int{{9, 20}, {1, 40}, {40, 1}, {1, 1}} {
			out, in := shape[0], shape[1]
			o, ok := hardOptions(t, m, out, in)
			if !ok {
				t.Logf("%s: no options for %d×%d: %v", m.Name, out, in, m.CheckShape(m.New(), out, in))
				continue
			}
			for name, value := range map[string]func(i int) float32{
				"random":        nil,
				"zero":          func(int) float32 { return 0 },
				"constant rows": func(i int) float32 { return float32(i/in%3) - 1 },
				"one large": func(i int) float32 {
					if i == out*in/2 {
						return 100
					}
					return 1e-6
				},
				"tiny": func(i int) float32 { return float32(i%5-2) * 1e-30 },
			} {
				what := fmt.Sprintf("%s %d×%d %s %+v", m.Name, out, in, name, o)
				w, notes, err := compressOn(t, m, o, out, in, 1, value)
				if err == nil {
					err = w.Check()
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				got := make([]float32, out*in)
				w.Dequantize(got, 0, out)
				for i, v := range got {
					if v-v != 0 {
						t.Errorf("%s: Ŵ[%d] is %v", what, i, v)
						break
					}
					if name == "zero" && v != 0 {
						t.Errorf("%s: Ŵ[%d] is %v", what, i, v)
						break
					}
				}
				for metric, v := range notes {
					if v-v != 0 {
						t.Errorf("%s: %s is %v", what, metric, v)
					}
				}
			}
		}
		o, _ := hardOptions(t, m, 9, 20)
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			_, _, err := compressOn(t, m, o, 9, 20, 1, func(i int) float32 {
				if i == 47 {
					return bad
				}
				return float32(i%7) - 3
			})
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte("[2,7]")) {
				t.Errorf("%s: a weight of %v: %v", m.Name, bad, err)
			}
		}
	}
}

// TestThreads: what a method makes does not depend on the threads.
func TestThreads(t *testing.T) {
	for i := range methods {
		m := &methods[i]
		if m.Compress == nil {
			continue
		}
		o, _ := hardOptions(t, m, 150, 136)
		want, _, err := compressOn(t, m, o, 150, 136, 1, nil)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		for _, threads := range []int{2, 5} {
			got, _, err := compressOn(t, m, o, 150, 136, threads, nil)
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				continue
			}
			for k, p := range want.Parts() {
				if !bytes.Equal(p.Data, got.Parts()[k].Data) {
					t.Errorf("%s: %s differs with %d threads", m.Name, p.Name, threads)
				}
			}
		}
	}
}
