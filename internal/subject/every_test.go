package subject

import (
	"context"
	"testing"
	"time"
)

// BenchmarkEveryMethod calibrates and compresses the demo model with every
// method at its default options, as one run of them all would: seconds of each
// and of all together, without any suite.
func BenchmarkEveryMethod(b *testing.B) {
	m := openModel(b, "demo")
	calibration := Calibration{Corpus: CorpusRef{Name: "demo-calibration"}, Sequences: 16, Length: 512}
	for b.Loop() {
		e := newEnv(b, m, 0)
		var all time.Duration
		for i := range methods {
			c := defaultCase(b, methods[i].Name)
			if c.Method.Compress == nil {
				continue // nothing to compress, or files of others
			}
			if c.Calibration != nil {
				c.Calibration = &calibration
			}
			start := time.Now()
			s, err := e.Open(context.Background(), c, quiet)
			if err != nil {
				b.Fatalf("%s: %v", c.Label, err)
			}
			took := time.Since(start)
			all += took
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(took.Seconds(), "s-"+c.Method.Name)
		}
		b.ReportMetric(all.Seconds(), "s-all")
	}
}
