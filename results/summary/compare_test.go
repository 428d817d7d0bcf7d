package summary

import (
	"math"
	"testing"

	"github.com/sketchbench/sketchbench/results"
)

func TestTimes(t *testing.T) {
	s := script{run: "r"}
	// Twice as slow in every block, whatever the drift; d is ln 2 six times, so the
	// exact p is 2/2⁶.
	s.ttft("dense", 1, 2, 3, 4, 5, 6)
	s.ttft("int", 2, 4, 6, 8, 10, 12)
	row := s.one(t, "dense").Rows[1]
	r := row.TTFT[0].Ratio
	if math.Abs(r.Value-2) > 1e-12 || math.Abs(r.Lo-2) > 1e-12 || math.Abs(r.Hi-2) > 1e-12 || r.P != 0.03125 || !r.Significant || r.N != 6 {
		t.Errorf("ratio %+v", r)
	}
	if m := row.TTFT[0].Median; m.Value != 7 || m.Lo != 2 || m.Hi != 12 {
		t.Errorf("median %+v", m)
	}
	// A block enters by the median of its samples: 1, 3, 100 count as 3.
	s = script{run: "r"}
	for b := range 6 {
		for j, v := range []float64{1, 3, 100} {
			s.value("dense", "latency", "itl", "b1,d8", j, b, v, 0)
		}
	}
	s.done("dense", "latency", 18)
	itl := s.one(t, "dense").Rows[0].ITL[0]
	if itl.Median.Value != 3 || itl.Median.N != 6 || itl.Samples != 18 || itl.P90.Missing != "18 values: p90 needs at least 29" {
		t.Errorf("%+v", itl)
	}
}

func TestTimesOfDifferentRuns(t *testing.T) {
	for _, tt := range []struct {
		name        string
		host        string
		blocks      int
		missing, by string
		warning     string
	}{
		{"same machine", "h1", 6, "", "Mann-Whitney inversion", "int and the baseline were not timed in the same blocks: compared unpaired"},
		{"few blocks", "h1", 3, "", "Mann-Whitney inversion", "3 and 6 blocks: an interval of the ratio needs at least 4 each"},
		{"other machine", "h2", 6, "int and the baseline were timed on different machines", "", ""},
	} {
		s := script{run: "r1"}
		s.host("h1")
		s.ttft("dense", 1, 1.01, 1.02, 1.03, 1.04, 1.05)
		s.run = "r2"
		s.host(tt.host)
		s.ttft("int", []float64{2, 2.02, 2.04, 2.06, 2.08, 2.1}[:tt.blocks]...)
		r := s.one(t, "dense").Rows[1].TTFT[0].Ratio
		warning := ""
		if len(r.Warnings) > 0 {
			warning = r.Warnings[0]
		}
		if r.Missing != tt.missing || r.Method != tt.by || warning != tt.warning {
			t.Errorf("%s: %+v", tt.name, r)
		}
		// All pairs differ by a factor of 2 times at most 1.05 either way.
		if tt.missing == "" && !(r.Value > 2/1.05 && r.Value < 2*1.05) {
			t.Errorf("%s: ratio %v, want about 2", tt.name, r.Value)
		}
	}
}

// TestTimesOfAnotherExecution: times that differ only by threads or kernels are not compared,
// in one run or two, and count as no comparison; what is not known is no difference.
func TestTimesOfAnotherExecution(t *testing.T) {
	for _, tt := range []struct {
		name, run, execA, execB, execPPL string
		want                             string
	}{
		{"same", "r1", "e1", "e1", "e1", ""},
		{"same, another run", "r2", "e1", "e1", "e1", ""},
		{"not recorded", "r2", "e1", "", "e1", ""},
		{"another execution of the perplexity", "r2", "e1", "e1", "e2", ""},
		{"another", "r1", "e1", "e2", "e1", "int was timed with another number of threads or other kernels than the baseline"},
		{"another, another run", "r2", "e1", "e2", "e1", "int was timed with another number of threads or other kernels than the baseline"},
	} {
		s := script{run: "r1"}
		s.host("h")
		execute := func(exec string, from int) {
			for i := range s.recs[from:] {
				if r := &s.recs[from+i]; r.Kind == results.KindValue && r.Suite == "latency" {
					r.Exec = exec
				} else if r.Kind == results.KindValue {
					r.Exec = tt.execPPL
				}
			}
		}
		s.ttft("dense", 1, 1.01, 1.02, 1.03, 1.04, 1.05)
		execute(tt.execA, 0)
		s.run = tt.run
		s.host("h")
		from := len(s.recs)
		s.ttft("int", 2, 2.02, 2.04, 2.06, 2.08, 2.1)
		s.windows("int", 1, 2)
		execute(tt.execB, from)
		g := s.one(t, "dense")
		r := g.Rows[1].TTFT[0].Ratio
		if r.Missing != tt.want || r.HasInterval() != (tt.want == "") || r.Significant != (tt.want == "") || (g.Comparisons == 1) != (tt.want == "") {
			t.Errorf("%s: %+v, %d comparisons, want missing %q", tt.name, r, g.Comparisons, tt.want)
		}
		if m := g.Rows[1].TTFT[0].Median; m.Missing != "" || !m.HasInterval() {
			t.Errorf("%s: the median is gone: %+v", tt.name, m)
		}
	}
}

func TestHalfPairedBlocks(t *testing.T) {
	s := script{run: "r"}
	s.ttft("dense", 1, 1, 1, 1, 1, 1, 1)
	s.ttft("int", 2, 2, 2, 2, 2, 2)
	r := s.one(t, "dense").Rows[1].TTFT[0].Ratio
	if r.N != 6 || len(r.Warnings) != 1 || r.Warnings[0] != "6 of 7 blocks hold both int and the baseline" {
		t.Errorf("%+v", r)
	}
}
