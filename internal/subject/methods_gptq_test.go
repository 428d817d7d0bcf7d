package subject

import (
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/gptq"
	"github.com/sketchbench/sketchbench/internal/packed"
)

var gptqFixtures = []fixture{{
	method: "gptq",
	decode: map[string]string{"bits": "3", "group": "64", "symmetric": "true", "act-order": "false", "grid": "static",
		"damp": "0.05", "true-sequential": "false"},
	sizes: func() (list []any) {
		for _, grid := range gptq.Grids() {
			for _, group := range []int{0, 32, 128, 1000} {
				if grid == gptq.Lagged && group == 1000 {
					continue
				}
				o := gptq.DefaultOptions()
				o.Grid, o.Group = grid, group
				list = append(list, &o)
				p := o
				p.Bits, p.Symmetric = 3, true
				list = append(list, &p)
				q := o
				q.Bits, q.ActOrder = 2, false
				list = append(list, &q)
			}
		}
		return list
	}(),
	kinds: []packed.Kind{packed.KindGrid},
	golden: func(t *testing.T) map[string]*Case {
		cases := map[string]*Case{}
		for label, set := range map[string]func(o *gptq.Options){
			"bits=3 grid=static":             func(o *gptq.Options) { o.Bits, o.Grid = 3, gptq.Static },
			"group=64 grid=lagged":           func(o *gptq.Options) { o.Group, o.Grid = 64, gptq.Lagged },
			"bits=2 group=0 symmetric":       func(o *gptq.Options) { o.Bits, o.Group, o.Symmetric = 2, 0, true },
			"act-order=false":                func(o *gptq.Options) { o.ActOrder = false },
			"true-sequential=false group=32": func(o *gptq.Options) { o.TrueSequential, o.Group = false, 32 },
		} {
			cases[label] = newCase(t, "gptq", set)
		}
		return cases
	},
}}

// TestOverridesOfInputs: one walk gathers the inputs of one model only.
func TestOverridesOfInputs(t *testing.T) {
	e := newEnv(t, cutDemo(t), 1)
	c := newCase(t, "gptq", func(*gptq.Options) {})
	o := gptq.DefaultOptions()
	o.Damp, o.TrueSequential = 0.1, false
	c.Overrides = []Override{{Tensors: "*down_proj*", Options: &o}}
	errs := c.CheckModel(e.Model.Config)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "overrides of *down_proj* want the inputs of another model") {
		t.Errorf("faults %v", errs)
	}
	o.TrueSequential = true
	if errs := c.CheckModel(e.Model.Config); len(errs) != 0 {
		t.Errorf("faults %v", errs)
	}
}
