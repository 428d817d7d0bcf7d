package runner

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/sketchbench/sketchbench/bench"
	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/suites"
)

// start starts the process of a case, which opens it and warms it up.
func (t *timings) start(ctx context.Context, c *timed, block int) error {
	if err := t.r.recipe(t.su); err != nil {
		return err
	}
	t.r.progress.step(c.index, t.su.Name, block)
	options, err := json.Marshal(t.su.Options)
	if err != nil {
		return err
	}
	env := t.r.p.Env
	child := subject.Child{Model: env.Model.Ref, Folder: env.Model.Dir, Artefact: c.s.ArtefactDir(), Threads: env.Gemm.Threads}
	if c.remote, err = t.r.o.Launch(ctx, suites.Order{Suite: t.su.Name, Child: child, Options: options}); err != nil {
		c.remote = nil
		return err
	}
	opened := c.remote.Opened()
	for _, text := range opened.Doubts {
		t.r.doubt(t.r.cell(c.index, t.su), text)
	}
	if !c.control {
		t.keep(c, suites.Answer{Values: opened.Values}, bench.Reading{Foreign: math.NaN(), Steal: math.NaN()})
	}
	t.r.o.Log.Info("process ready", "case", t.r.p.Cases[c.index].Label, "suite", t.su.Name, "launch", t.launch, "control", c.control)
	return nil
}

// end ends all processes.
func (t *timings) end() {
	for _, c := range t.cases {
		if err := t.endOf(c); err != nil {
			t.r.o.Log.Warn("a process did not end well", "case", t.r.p.Cases[c.index].Label, "err", err)
		}
	}
}

func (t *timings) endOf(c *timed) error {
	if c.remote == nil {
		return nil
	}
	err := c.remote.Close()
	c.remote = nil
	return err
}

// keep takes what was measured in one block of a case, or before the first of a
// launch.
func (t *timings) keep(c *timed, a suites.Answer, reading bench.Reading) {
	values := a.Values
	index := -1
	if reading.Clock > 0 || !math.IsNaN(reading.Foreign) {
		index = len(t.readings)
		t.readings = append(t.readings, reading)
		if len(values) > 0 && !c.control {
			values = append(values, readingValues(reading, t.su.Name, values[0].Block)...)
		}
	}
	for _, v := range values {
		if c.control {
			v.Metric = results.ControlMetric(v.Metric)
			if _, ok := results.LookupMetric(v.Metric); !ok {
				continue
			}
		}
		if t.su.Launched != nil {
			v.Launch = t.launch
		}
		t.r.fillValue(&v, c.index, c.s, t.su)
		v.At = t.r.o.Now().UTC().Format(time.RFC3339)
		c.values, c.reading = append(c.values, v), append(c.reading, index)
	}
}

// readingValues are the records of what the machine did during a block, of
// those metrics that the suite has.
func readingValues(r bench.Reading, suite string, block int) []results.Record {
	var out []results.Record
	for _, v := range []struct {
		metric string
		value  float64
	}{{"cpu_clock", r.Clock}, {"foreign_load", r.Foreign}, {"steal", r.Steal}} {
		m, _ := results.LookupMetric(v.metric)
		if m.Suite == suite && !math.IsNaN(v.value) && !(v.metric == "cpu_clock" && v.value == 0) {
			out = append(out, results.Record{Metric: v.metric, Value: v.value, Block: block})
		}
	}
	return out
}

// Processes that wait for their next block keep the weights of their cases in
// memory.
const (
	residentShare   = 0.5       // of the memory that is available, at most
	processBytes    = 128 << 20 // of a process besides weights and KV cache
	unknownMemory   = 2 << 30   // is assumed to be available where that is not told
	bytesPerKVValue = 4
)

// fits reports whether the processes of one launch fit into memory together.
func (t *timings) fits() bool {
	cfg := t.r.p.Env.Model.Config
	kv := 2 * bytesPerKVValue * int64(cfg.Layers) * int64(cfg.KVDim()) * int64(t.layout.Tokens)
	var sum int64
	for _, c := range t.cases {
		sum += processBytes + kv
		for _, e := range c.s.Artefact.Manifest().Tensors {
			sum += e.Bytes
		}
	}
	available := int64(unknownMemory)
	if t.r.o.Memory != nil {
		if n := t.r.o.Memory(); n > 0 {
			available = n
		}
	}
	return float64(sum) <= residentShare*float64(available)
}

// blockMedians returns, per metric and item, the medians of each block in turn.
func blockMedians(values []results.Record, metrics []string) [][]float64 {
	type key struct{ metric, item string }
	var keys []key
	blocks := map[key]map[int][]float64{}
	for _, v := range values {
		if !slices.Contains(metrics, v.Metric) {
			continue
		}
		k := key{v.Metric, v.Item}
		if blocks[k] == nil {
			blocks[k] = map[int][]float64{}
			keys = append(keys, k)
		}
		blocks[k][v.Block] = append(blocks[k][v.Block], v.Value)
	}
	var series [][]float64
	for _, k := range keys {
		var medians []float64
		for _, xs := range blocks[k] {
			medians = append(medians, bench.Median(xs))
		}
		series = append(series, medians)
	}
	return series
}
