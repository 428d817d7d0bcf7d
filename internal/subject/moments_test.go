package subject

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/calib"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/kernels"
)

// TestHessian compares H with 2/T·XᵀX summed in float64 over what an observer
// of the uncompressed model sees, and with the walk's.
func TestHessian(t *testing.T) {
	m := tinyModel(t)
	e, ctx := newEnv(t, m, 2), context.Background()
	c := *defaultCase(t, "sketchtune").Calibration
	windows, err := c.Windows(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(windows) != 3 || len(windows[2]) != 48 {
		t.Fatalf("%d windows", len(windows))
	}
	sums := observedMoments(t, e, windows)
	walked := map[string][]float32{}
	err = calib.Walk(ctx, e.Device, m.Config, m.Weights(), windows, calib.Options{Base: true}, func(g calib.Group) (map[string]packed.Weight, error) {
		for _, l := range g.Linears {
			walked[l.Name] = slices.Clone(g.H)
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for layer := range m.Config.Layers {
		for _, spec := range m.Config.Linears(layer) {
			h, err := e.Hessian(ctx, c, spec)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(h, walked[spec.Name]) {
				t.Errorf("%s: not what the walk gives", spec.Name)
			}
			compareMoments(t, spec.Name, h, sums[spec.Name])
		}
	}
	if _, ok := e.Cache.Lookup("moments", e.MomentsKey(c)); !ok {
		t.Error("moments are not in the cache")
	}
	// A new environment over the same cache measures nothing: its device is
	// not even there.
	again := &Env{Model: m, Cache: e.Cache}
	spec := m.Config.Linears(1)[6]
	if h, err := again.Hessian(ctx, c, spec); err != nil || !slices.Equal(h, walked[spec.Name]) {
		t.Errorf("from the cache: %v", err)
	}
	spec.Name = "nosuch"
	if _, err := e.Hessian(ctx, c, spec); err == nil || !strings.Contains(err.Error(), "tensor nosuch: not a linear layer") {
		t.Errorf("got %v", err)
	}
	// qkv, o, gate-up of 64 channels and down of 172, two layers, 4 bytes.
	if got, want := m.MomentsBytes(), int64(2*(4*(3*64*64+172*172)+16*(3*64+172))); got != want {
		t.Errorf("MomentsBytes %d, want %d", got, want)
	}
}

// compareMoments allows what a sum of T products in float32 may be off by, in
// any order: γ_T times the sum of magnitudes, which √(H_ii·H_jj) bounds; twice,
// since inputs themselves differ by the rounding of a pass in other chunks.
func compareMoments(t *testing.T, name string, h []float32, want []float64) {
	t.Helper()
	d := int(math.Sqrt(float64(len(h))))
	for i := range d {
		for j := range d {
			bound := 2 * 144 * 0x1p-24 * math.Sqrt(want[i*d+i]*want[j*d+j])
			if got := float64(h[i*d+j]); !(math.Abs(got-want[i*d+j]) <= bound) {
				t.Fatalf("%s: H[%d,%d] = %v, want %v ± %.2g", name, i, j, got, want[i*d+j], bound)
			}
		}
	}
}

// observedMoments sums 2/T·XᵀX in float64.
func observedMoments(t *testing.T, e *Env, windows [][]int) map[string][]float64 {
	t.Helper()
	run, err := engine.New(e.Device, e.Model.Config, e.Model.Weights(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	sums := map[string][]float64{}
	tokens := 0
	run.SetObserver(func(names []string, x kernels.Buffer, n int) {
		rows := make([]float32, x.Len())
		e.Device.Read(rows, x)
		d := len(rows) / n
		for _, name := range names {
			if sums[name] == nil {
				sums[name] = make([]float64, d*d)
			}
			for ; len(rows) > 0; rows = rows[d:] {
				for i := range d {
					for j := range d {
						sums[names[0]][i*d+j] += float64(rows[i]) * float64(rows[j])
					}
				}
			}
			sums[name] = sums[names[0]]
		}
	})
	for _, win := range windows {
		if err := run.Forward(context.Background(), win); err != nil {
			t.Fatal(err)
		}
		tokens += len(win)
	}
	seen := map[*float64]bool{}
	for _, sum := range sums {
		if seen[&sum[0]] {
			continue
		}
		seen[&sum[0]] = true
		for i := range sum {
			sum[i] *= 2 / float64(tokens)
		}
	}
	return sums
}

// TestHessianFaults: a text that has gone, a context that has ended.
func TestHessianFaults(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 1)
	spec := m.Config.Linears(0)[0]
	c := Calibration{Corpus: CorpusRef{File: "/nosuch/text"}, Sequences: 1, Length: 8}
	if _, err := e.Hessian(context.Background(), c, spec); err == nil || !strings.Contains(err.Error(), "/nosuch/text") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Corpus = CorpusRef{Name: "demo-calibration"}
	if _, err := e.Hessian(ctx, c, spec); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := e.Hessian(context.Background(), c, spec); err != nil {
		t.Fatal(err)
	}
}
