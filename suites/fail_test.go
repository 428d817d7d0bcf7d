package suites

import (
	"context"
	"errors"
	"testing"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/scenarios"
	"github.com/sketchbench/sketchbench/suites/kernelspeed"
)

// TestEmitFails: a line that cannot be written ends every suite at once,
// whichever of its lines it is, and so does a context that ends.
func TestEmitFails(t *testing.T) {
	e := newEnv(t, demo.Model)
	e.Child = func(context.Context, ...string) ([]byte, error) { return []byte(`{"peak_anon": 1, "vmhwm": 1}`), nil }
	s := openCase(t, e, "dense", nil)
	text := scenarios.Corpus{Name: "demo"}
	options := map[string]any{
		"approx":     &approxOptions{Recipe: "gptq-16", Corpus: text, Windows: 1, Hessian: !testing.Short()},
		"perplexity": &perplexityOptions{Recipe: "gptq-16", Corpus: text, Windows: 2},
		"divergence": &divergenceOptions{Recipe: "gptq-16", Corpus: text, Windows: 2},
		"memory":     &memoryOptions{Prompt: 1, New: 1, Runs: 1},
		"kernelspeed": &kernelspeed.Options{Shapes: []string{"1024x2048"}, Batch: []int{1}, Cache: []string{kernelspeed.Hot},
			Blocks: 6, Samples: 1},
	}
	full := errors.New("disk full")
	for _, suite := range All() {
		if suite.Launched != nil {
			continue // its processes emit to memory
		}
		c := &Context{Env: e, Calibrations: []*subject.Calibration{calibration()}}
		o := options[suite.Name]
		if errs := suite.Prepare(c, o); errs != nil {
			t.Fatal(errs)
		}
		for fail := 1; fail <= 2 || fail <= 6 && !testing.Short(); fail++ {
			lines := 0
			out := Out{First: true, Clock: bench.WallClock, Progress: func(int, int) {}, Doubt: func(string) {}}
			out.Emit = func(results.Record) error {
				if lines++; lines == fail {
					return full
				}
				return nil
			}
			err := suite.Run(context.Background(), c, s, o, out)
			if lines < fail {
				break // the suite has fewer lines
			}
			if !errors.Is(err, full) || lines != fail {
				t.Errorf("%s: line %d of %d failed: %v", suite.Name, fail, lines, err)
			}
		}
		if suite.Name == "memory" {
			continue // its child is the one to see the context
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		out := Out{First: true, Clock: bench.WallClock, Progress: func(int, int) {}, Doubt: func(string) {}, Emit: func(results.Record) error { return nil }}
		if err := suite.Run(ctx, c, s, o, out); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: canceled: %v", suite.Name, err)
		}
	}
}
