package runner

import (
	"maps"

	"github.com/sketchbench/sketchbench/internal/plan"
	"github.com/sketchbench/sketchbench/internal/stage"
	"github.com/sketchbench/sketchbench/results"
)

// A CellState says of one planned cell whether records have it, and if not
// what the nearest of its suite has different.
type CellState struct {
	Suite    string `json:"suite"`
	Recipe   string `json:"recipe"`
	Exec     string `json:"exec"`
	Key      string `json:"key"`
	Measured bool   `json:"measured"`
	// Nearest is the case of the nearest cell, "" if there is none.
	Nearest     string             `json:"nearest,omitempty"`
	Differences []stage.Difference `json:"differences,omitempty"`
}

// Explain says why the cells of a case would or would not be measured again,
// beside records of an earlier run.
func Explain(p *plan.Plan, i int, recs []results.Record) ([]CellState, error) {
	r := &run{p: p}
	options := map[string]map[string]any{} // by suite and hash
	for _, rec := range recs {
		if rec.Kind == results.KindRecipe {
			options[rec.Suite+" "+rec.Recipe+rec.Exec] = rec.Options
		}
	}
	var states []CellState
	for _, s := range p.Suites {
		st := CellState{Suite: s.Name, Recipe: s.RecipeHash, Exec: s.ExecHash, Key: r.key(i, s)}
		now := r.record(i, results.KindDone)
		now.Suite, now.Recipe, now.Exec, now.Key = s.Name, s.RecipeHash, s.ExecHash, st.Key
		own, err := cellFields(now, s.Recipe.Identity, s.Recipe.Exec)
		if err != nil {
			return nil, err
		}
		for _, rec := range recs {
			if rec.Kind != results.KindDone || rec.Suite != s.Name || rec.Scenario != now.Scenario {
				continue
			}
			if rec.Cell() == now.Cell() && rec.Key == st.Key {
				st.Measured, st.Nearest, st.Differences = true, "", nil
				break
			}
			other, err := cellFields(rec, options[s.Name+" "+rec.Recipe], options[s.Name+" "+rec.Exec])
			if err != nil {
				return nil, err
			}
			ds := stage.Differences(other, own)
			if rec.Case != now.Case && len(ds) == 0 {
				// What records do not hold: the version of the method, the walk or
				// the text of calibration.
				ds = append(ds, stage.Difference{Field: "case", Old: rec.Case, New: now.Case})
			} else if len(ds) == 0 {
				ds = append(ds, stage.Difference{Field: "key", Old: rec.Key, New: st.Key})
			}
			if st.Nearest == "" || len(ds) < len(st.Differences) {
				st.Nearest, st.Differences = rec.Case, ds
			}
		}
		states = append(states, st)
	}
	return states, nil
}

// cellFields flattens what decides the values of a cell, as far as records say.
func cellFields(rec results.Record, identity, exec map[string]any) (map[string]string, error) {
	what := maps.Clone(identity)
	if what == nil {
		what = map[string]any{"hash": rec.Recipe}
	}
	how := maps.Clone(exec)
	if how == nil {
		how = map[string]any{"hash": rec.Exec}
	}
	params := maps.Clone(rec.Params)
	if params == nil {
		params = map[string]any{} // as of a method without any
	}
	return stage.Fields(map[string]any{
		"model": rec.Model, "method": rec.Method, "params": params, "seed": rec.Seed, "recipe": what, "exec": how,
	})
}
