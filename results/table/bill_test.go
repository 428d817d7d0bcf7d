package table_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/results/summary"
	"github.com/sketchbench/sketchbench/results/table"
)

// TestBill: the bits of the linear layers by what they are for, in a table for
// people and as columns for programs, and the size that was asked for. 4e6
// weights with 2.0e6 bytes of codes and 0.25e6 of scales: 4 and 0.5 bits.
func TestBill(t *testing.T) {
	var m maker
	m.scenario = "s"
	m.start("r1", "h")
	s := subject{id: "000000000001", method: "int4", label: "int4 bytes=4.6", nominal: 4.6}
	m.caseLine(s)
	m.value(s, "memory", "aaaaaaaaaaaa", "stored_bytes", "linear", 2.25e6, 4e6, 0, 0)
	m.value(s, "memory", "aaaaaaaaaaaa", "nominal_bits", "linear", 4.6*4e6, 4e6, 0, 0)
	m.value(s, "memory", "aaaaaaaaaaaa", "part_bytes", "linear/codes", 2e6, 4e6, 0, 0)
	m.value(s, "memory", "aaaaaaaaaaaa", "part_bytes", "linear/scales", 0.25e6, 4e6, 0, 0)
	m.value(s, "memory", "aaaaaaaaaaaa", "target_bytes", "", 2.3e6, 0, 0, 0)
	m.value(s, "memory", "aaaaaaaaaaaa", "reached_bytes", "", 2.25e6, 0, 0, 0)
	m.done(s, "memory", "aaaaaaaaaaaa", 6)
	rep, err := summary.Of(m.recs, summary.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables := table.Build(rep, nil)
	if len(tables) != 2 || !strings.HasSuffix(tables[1].Title, "(bits per weight of the linear layers)") {
		t.Fatalf("%d tables", len(tables))
	}
	var got []string
	for i, c := range tables[1].Rows[0].Cells {
		got = append(got, tables[1].Columns[i].Head+"="+c.Text)
	}
	want := "method=int4 bytes=4.6 nominal=4.6 stored=4.5 codes=4 scales=0.5 target=2.193 MiB reached=2.146 MiB gap (%)=2.174"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if note := tables[1].Notes[0].Text; !strings.Contains(note, "target and reached:") || strings.Contains(note, "dense:") {
		t.Errorf("note: %s", note)
	}
	var csv, js bytes.Buffer
	if err := table.CSV(&csv, tables); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(csv.String(), "\n"); n != 2 || !strings.Contains(csv.String(), "bits_codes,bits_scales,target_bytes,reached_bytes,size_gap") {
		t.Errorf("%d lines of CSV:\n%s", n, csv.String())
	}
	if err := table.JSON(&js, tables); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(js.String(), `"title"`); n != 1 {
		t.Errorf("%d tables in JSON", n)
	}
}
