package table_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results"
	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

// kernel adds a product of so many bytes and operations, six blocks of a time in
// seconds, under limits of 10 GB/s and 100 GFLOP/s.
func (m *maker) kernel(s subject, item string, b, flops, seconds float64) int {
	m.value(s, "kernelspeed", "k1", "kernel_bytes", item, b, 0, 0, 0)
	m.value(s, "kernelspeed", "k1", "kernel_flops", item, flops, 0, 0, 0)
	for block := range 6 {
		m.value(s, "kernelspeed", "k1", "kernel_time", item, seconds, 20, 0, block)
		m.value(s, "kernelspeed", "k1", "read_peak", "cold", 1e10, 0, 0, block)
		m.value(s, "kernelspeed", "k1", "read_peak", "8x16,hot", 1e10, 0, 0, block)
		m.value(s, "kernelspeed", "k1", "fma_peak", "", 1e11, 0, 0, block)
	}
	return 26
}

func kernelRecords() []results.Record {
	m := maker{scenario: "kernels"}
	m.start("20260101T000000Z-000001", "host")
	dense, int4 := subject{id: "d", method: "dense", label: "dense", base: true}, subject{id: "i", method: "int4", label: "int4 bits=4"}
	broken := subject{id: "b", method: "svd", label: "svd bits=4"}
	for _, s := range []subject{dense, int4, broken} {
		m.caseLine(s)
	}
	// 8 MB in 1 ms are 8 GB/s, four fifths; 2 MB in 0.5 ms 4 GB/s.
	n := m.kernel(dense, "8x16,b1,cold", 8e6, 4e6, 1e-3)
	m.done(dense, "kernelspeed", "k1", n)
	n = m.kernel(int4, "8x16,b1,cold", 2e6, 4e6, 5e-4) + m.kernel(int4, "8x16,b16,hot", 2e6, 6e7, 1e-3)
	m.done(int4, "kernelspeed", "k1", n)
	m.failure(broken, "kernelspeed", "k1", "suite", "no")
	return m.recs
}

// TestKernelTables holds the rows of two tables, one for each state of the
// cache; a case that failed has rows of dashes.
func TestKernelTables(t *testing.T) {
	rep, err := summary.Of(kernelRecords(), summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables := table.Build(rep, nil)
	var out bytes.Buffer
	if err := table.Markdown(&out, tables); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"**kernels, model demo (8x16, cold)**\n",
		"| 1 | dense | 1000 [1000, 1000] | 8 | 80 | 4 | 4 | memory | 1 |\n",
		"| 1 | int4 bits=4 | 500 [500, 500] | 4 | 40 | 8 | 8 | neither | 2 [2, 2] |\n",
		"| 1 | svd bits=4 | —¹ | —¹ | —¹ | —¹ | —¹ | — | —¹ |\n",
		"**kernels, model demo (8x16, hot)**\n",
		"| 16 | int4 bits=4 | 1 [1, 1] | 2 | 20 | 60 | 60 | compute | —¹ |\n",
		"¹ svd bits=4 failed in suite (input): no",
		"¹ dense was not timed in this state of the cache",
		"median over 6 randomised blocks", "120 calls or more each",
		"read peak of memory 10 [10, 10] GB/s, FMA peak 100 [100, 100] GFLOP/s; ridge at 10 FLOP/B",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if len(tables) != 2 || len(tables[0].Notes) != 1 {
		t.Errorf("%d tables, %d notes below the first; want 2, and the notes on all below the last", len(tables), len(tables[0].Notes))
	}
}

// TestKernelCSV: numbers in base units; the state of the cache stands in the
// group, and words have a column of their own.
func TestKernelCSV(t *testing.T) {
	rep, err := summary.Of(kernelRecords(), summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table.CSV(&out, table.Build(rep, nil)); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) < 3 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	row := map[string]string{}
	for i, name := range lines[0] {
		row[name] = lines[2][i]
	}
	for name, want := range map[string]string{
		"group": "8x16, cold", "label": "int4 bits=4", "batch": "1", "kernel_time_s": "0.0005", "read_rate_B_per_s": "4e+09",
		"read_share": "0.4", "flop_rate_FLOP_per_s": "8e+09", "bound_by": "neither", "speedup": "2",
	} {
		if row[name] != want {
			t.Errorf("%s: %q, want %q", name, row[name], want)
		}
	}
}
