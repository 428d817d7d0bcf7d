package table

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/results/keys"
	"github.com/sketchbench/sketchbench/results/summary"
)

// kernelTables lays out the products of a group: one table for each shape and
// state of the cache, rows by batch and case, or sorted by order. The notes on
// all of them stand below the last.
func kernelTables(g summary.Group, filter string, order []keys.Order) []Table {
	if !g.Suites["kernelspeed"] || len(g.Kernels) == 0 {
		return nil
	}
	var tables []Table
	for lo := 0; lo < len(g.Kernels); {
		hi := lo
		for hi < len(g.Kernels) && g.Kernels[hi].Shape == g.Kernels[lo].Shape && g.Kernels[hi].Cache == g.Kernels[lo].Cache {
			hi++
		}
		tables = append(tables, kernelTable(g, lo, hi, order))
		lo = hi
	}
	last := &tables[len(tables)-1]
	b := builder{g: g, filter: filter}
	last.Notes = append(append(b.kernelNotes(), b.ownNotes()...), last.Notes...)
	return tables
}

// kernelTable lays out products [lo,hi) of a group.
func kernelTable(g summary.Group, lo, hi int, order []keys.Order) Table {
	words := g.Kernels[lo].Shape + ", " + g.Kernels[lo].Cache
	if name := groupName(g); name != "" {
		words = name + ", " + words
	}
	b := newBuilder(g, "", words)
	cols := b.kernelColumns(lo, hi)
	var from []summary.Row
	for _, c := range cols {
		b.t.Columns = append(b.t.Columns, c.Column)
	}
	for k := lo; k < hi; k++ {
		for _, r := range g.Rows {
			if !shown(r, k) {
				continue
			}
			row := Row{Case: r.Case, Method: r.Method, Params: r.Params, Seed: r.Seed}
			for _, c := range cols {
				row.Cells = append(row.Cells, c.cell(r, k))
			}
			b.t.Rows = append(b.t.Rows, row)
			from = append(from, r)
		}
	}
	b.sortProducts(from, order)
	return b.t
}

// sortProducts sorts the rows, which come from these cases, by order.
func (b *builder) sortProducts(from []summary.Row, order []keys.Order) {
	values := map[*Cell][]string{} // of a row, by its first cell
	for i, row := range b.t.Rows {
		for _, o := range order {
			values[&row.Cells[0]] = append(values[&row.Cells[0]], b.productValue(row, from[i], o.Key))
		}
	}
	slices.SortStableFunc(b.t.Rows, func(x, y Row) int {
		for i, o := range order {
			if c := o.Compare(values[&x.Cells[0]][i], values[&y.Cells[0]][i]); c != 0 {
				return c
			}
		}
		return 0
	})
}

// productValue returns what a row has under key, as sortValue does.
func (b *builder) productValue(row Row, from summary.Row, key string) string {
	i := slices.IndexFunc(b.t.Columns, func(c Column) bool { return c.Key == key })
	switch {
	case i < 0:
		return strings.Join(from.Values(key), " and ")
	case row.Cells[i].Value != nil:
		return strconv.FormatFloat(*row.Cells[i].Value, 'g', -1, 64)
	case b.t.Columns[i].Unit == "" && row.Cells[i].Text != Dash:
		return row.Cells[i].Text
	}
	return ""
}

// shown reports whether a product of a case has a row: it was timed, or nothing
// of the case was. A product that the suite left out, since it does not fit the
// cache, has none; a doubt of the suite tells of it.
func shown(r summary.Row, k int) bool {
	return r.Kernels[k].Time.Missing == "" || !slices.ContainsFunc(r.Kernels, func(t summary.Kernel) bool { return t.Time.Missing == "" })
}

// kernelColumn is a Column with what fills it for product k of a row.
type kernelColumn struct {
	Column
	cell func(r summary.Row, k int) Cell
}

func (b *builder) kernelColumns(lo, hi int) []kernelColumn {
	pick := func(f func(k summary.Kernel) summary.Estimate, scale float64) func(summary.Row, int) Cell {
		return func(r summary.Row, k int) Cell { return b.number(f(r.Kernels[k]), scale) }
	}
	bare := func(f func(k summary.Kernel) summary.Estimate, scale float64) func(summary.Row, int) Cell {
		return func(r summary.Row, k int) Cell { return b.bare(f(r.Kernels[k]), scale) }
	}
	var times []float64
	for _, r := range b.g.Rows {
		for _, t := range r.Kernels[lo:hi] {
			if t.Time.Missing == "" {
				times = append(times, t.Time.Value)
			}
		}
	}
	unit, scale := timeUnit(times)
	column := func(key, head, unit string, interval bool) Column {
		return Column{Key: key, Head: head, Unit: unit, Part: SizeSpeed, Interval: interval}
	}
	return []kernelColumn{
		{Column{Key: "batch", Head: "batch", Unit: "1", Part: Both}, func(r summary.Row, k int) Cell {
			v := float64(r.Kernels[k].Batch)
			return Cell{Text: fmt.Sprint(r.Kernels[k].Batch), Value: &v}
		}},
		{Column{Key: "label", Head: "method", Part: Both}, func(r summary.Row, _ int) Cell { return Cell{Text: r.Label} }},
		{column("kernel_time", "time ("+unit+") [95 %]", "s", true), pick(func(k summary.Kernel) summary.Estimate { return k.Time }, scale)},
		{column("read_rate", "GB/s", "B/s", true), bare(func(k summary.Kernel) summary.Estimate { return k.ReadRate }, 1e-9)},
		{column("read_share", "% of read peak", "1", true), bare(func(k summary.Kernel) summary.Estimate { return k.ReadShare }, 100)},
		{column("flop_rate", "GFLOP/s", "FLOP/s", true), bare(func(k summary.Kernel) summary.Estimate { return k.FlopRate }, 1e-9)},
		{column("fma_share", "% of FMA peak", "1", true), bare(func(k summary.Kernel) summary.Estimate { return k.FMAShare }, 100)},
		{column("bound_by", "bound by", "", false), func(r summary.Row, k int) Cell {
			if bound := r.Kernels[k].Bound; bound != "" {
				return Cell{Text: bound}
			}
			return Cell{Text: Dash}
		}},
		{column("speedup", "speed-up over "+b.baseline()+" [95 %]", "1", true), pick(func(k summary.Kernel) summary.Estimate { return k.Speedup }, 1)},
	}
}

// bare returns the cell of e with its interval, if it has one, left out of the
// text: it is that of the time beside it.
func (b *builder) bare(e summary.Estimate, scale float64) Cell {
	c := b.number(e, scale)
	if e.Missing == "" {
		c.Text = Significant(e.Value*scale, 3)
	}
	return c
}

// kernelNotes explain the tables of products.
func (b *builder) kernelNotes() []Note {
	least, most, calls := 0, 0, 0.0
	for _, r := range b.g.Rows {
		for _, k := range r.Kernels {
			if n := k.Time.N; n > 0 {
				if least == 0 || n < least {
					least = n
				}
				most = max(most, n)
				if calls == 0 || k.Calls < calls {
					calls = k.Calls
				}
			}
		}
	}
	if most == 0 {
		return nil
	}
	blocks := fmt.Sprint(most)
	if least < most {
		blocks = fmt.Sprintf("%d to %d", least, most)
	}
	texts := []string{
		fmt.Sprintf("time: median over %s randomised blocks, order-statistic interval; %.0f calls or more each; speed-up: time of %s over that of the row, "+
			"Hodges-Lehmann over blocks, interval by inverting the signed-rank test, not corrected for the number of rows", blocks, calls, b.baseline()),
		"cold: copies of the matrix used in turn, more than twice the last cache together; hot: one matrix, which fits three quarters of the last cache with the vectors",
		"GB/s: bytes of packed matrix, X and Y over the time; GFLOP/s: 2·batch·out·in (low rank: 2·batch·rank·(out+in)) over the time; " +
			"shares: median over blocks of the rate over the best that the machine reached in the same block, reading memory (cold) or as many bytes in the cache (hot), and multiplying and adding in registers",
		"bound by: the limit of which the product reaches the larger share, memory below the ridge and compute above, if that is at least half; neither: less than half of both, so that decoding and overhead decide",
	}
	if len(b.g.Peaks) > 0 {
		texts = append(texts, b.peakNote())
	}
	var notes []Note
	for _, t := range texts {
		notes = append(notes, Note{Text: t})
	}
	return notes
}

// peakNote tells the measured limits and where the ridge is.
func (b *builder) peakNote() string {
	var parts []string
	var read, fma float64
	for _, p := range b.g.Peaks {
		what, unit := "read peak of memory", "GB/s"
		if p.Metric == "fma_peak" {
			what, unit, fma = "FMA peak", "GFLOP/s", p.Value
		} else {
			read = p.Value
		}
		text := Significant(p.Value*1e-9, 3)
		if p.HasInterval() {
			text = Interval(p.Value*1e-9, p.Lo*1e-9, p.Hi*1e-9)
		}
		parts = append(parts, what+" "+text+" "+unit)
	}
	s := "measured limits, median over blocks of the best of a block [95 %]: " + strings.Join(parts, ", ")
	if read > 0 && fma > 0 {
		s += fmt.Sprintf("; ridge at %s FLOP/B", Significant(fma/read, 2))
	}
	return s
}

// ownNotes are the whole notes of a group that has no table but those of
// products.
func (b *builder) ownNotes() []Note {
	if hasMain(b.g) {
		return nil // they stand below the group's first table
	}
	return b.wholeNotes()
}
