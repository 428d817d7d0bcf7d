package runner

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

// drawn has a case for each way to size a matrix, and no model.
const drawn = `name: x
model: none
methods:
  - dense
  - {name: svd, bits: 4}
suites:
  - {name: kernelspeed, shapes: [1024x2048], batch: [1, 4], cache: cold, blocks: 6, samples: 1, time: 0s}
`

// TestDrawn: a suite that draws its weights runs without a model, its lines name
// no artefact, every product has its times in every block, and a second run
// measures nothing.
func TestDrawn(t *testing.T) {
	p := makePlan(t, drawn)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	o := options(t, path)
	var told []Event
	o.Progress = func(e Event) { told = append(told, e) }
	out, err := Run(context.Background(), p, o)
	if err != nil || out.Measured != 2 || len(out.Failed) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	recs, err := results.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]map[int]int{}
	bits := map[string]float64{}
	for _, r := range recs {
		if r.Artefact != "" || r.Kind != results.KindRun && r.Kind != results.KindRecipe && r.Model != "none" {
			t.Errorf("artefact or model in %+v", r)
		}
		if r.Kind == results.KindCase {
			bits[r.Method] = r.NominalBits
		}
		if r.Metric == "kernel_time" {
			item := r.Method + " " + r.Item
			if times[item] == nil {
				times[item] = map[int]int{}
			}
			times[item][r.Block]++
		}
	}
	if bits["dense"] != 16 || bits["svd"] != 4 {
		t.Errorf("nominal bits %v, want 16 of bf16 and 4", bits)
	}
	for _, item := range []string{"dense 1024x2048,b1,cold", "dense 1024x2048,b4,cold", "svd 1024x2048,b1,cold", "svd 1024x2048,b4,cold"} {
		for b := range 6 {
			if times[item][b] != 1 {
				t.Errorf("%s: %d times in block %d, want 1", item, times[item][b], b)
			}
		}
	}
	if len(told) == 0 || told[0].Step != "kernelspeed" || told[0].Block != 1 {
		t.Errorf("first event %+v, want block 1 of kernelspeed", told)
	}
	if out, err = Run(context.Background(), p, options(t, path)); err != nil || out.Measured != 0 || out.Complete != 2 {
		t.Errorf("second run: %+v, %v", out, err)
	}
}
