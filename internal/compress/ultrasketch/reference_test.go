package ultrasketch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// The files of testdata come from reference/gen/quant.py (numpy): the matrix
// "heavy", 128×384, hashes of its sketches, and the allocations but for those
// of the matrices of others.

func readHeavy(t testing.TB) []float32 {
	t.Helper()
	b, err := os.ReadFile("testdata/heavy.W.f32")
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, len(b)/4)
	for i := range w {
		w[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return w
}

// digest is the SHA-256 of values in little-endian order.
func digest(values any) string {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, values)
	s := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(s[:])
}

func decode(s *packed.Cells) []float32 {
	v := make([]float32, s.Out*s.In)
	s.Dequantize(v, 0, s.Out)
	return v
}

// TestAbsMaxMin compares cells and decoded matrices with numpy's, bit by bit:
// one class, so that addresses are row-major, 2 sets of seeds, 3 sizes, 1 to 3
// rows, both readings. Cells in float32 and after rounding toward zero.
func TestAbsMaxMin(t *testing.T) {
	b, err := os.ReadFile("testdata/absmaxmin.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Results struct {
			Seeds map[string][]string
			Cases map[string]struct {
				Empty   int
				Cells32 string  `json:"sha256_cells_f32le"`
				Cells16 string  `json:"sha256_cells_f16le_toward_zero"`
				Decoded string  `json:"sha256_decoded_f32le_from_f16_cells"`
				RelF    float64 `json:"relF"`
			}
		}
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	w := readHeavy(t)
	checked := 0
	for label, texts := range ref.Results.Seeds {
		var seeds []uint64
		for _, s := range texts {
			v, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			seeds = append(seeds, v)
		}
		for _, part := range []int{4, 8, 24} {
			for rows := 1; rows <= len(seeds); rows++ {
				s := &packed.Cells{
					Out: 128, In: 384, Rows: rows, Bits: 16, Hash: packed.HashMix64, Seeds: seeds[:rows],
					Class: make([]uint8, 384), Sizes: []uint32{uint32(len(w) / part)},
				}
				wide := fill(s, w)
				n := len(w) / part
				for k := range rows {
					c := ref.Results.Cases[fmt.Sprintf("%s.N%d.row%d", label, part, k+1)]
					if digest(wide[k*n:(k+1)*n]) != c.Cells32 || digest(s.Cells[k*n:(k+1)*n]) != c.Cells16 {
						t.Errorf("%s, N/%d: cells of row %d of %d differ", label, part, k, rows)
					}
					one := *s
					one.Cells = s.Cells[k*n : (k+1)*n]
					if got := emptyShare(&one); got != float64(c.Empty)/float64(n) {
						t.Errorf("%s, N/%d, row %d: share of empty cells %v, want %d/%d", label, part, k, got, c.Empty, n)
					}
				}
				for _, reading := range []string{packed.ReadingMagnitude, packed.ReadingSigned} {
					s.Reading = reading
					c := ref.Results.Cases[fmt.Sprintf("%s.N%d.R%d.%s", label, part, rows, reading)]
					if got := digest(decode(s)); got != c.Decoded {
						t.Errorf("%s, N/%d, %d rows, reading %s: decoded matrix differs", label, part, rows, reading)
					}
					checked++
				}
			}
		}
	}
	if checked != 36 {
		t.Errorf("%d cases, want 36", checked)
	}
}

// columnsOf returns classified columns of rows weights each.
func columnsOf(importance []float64, rows int64, classes int) []Column {
	columns := make([]Column, len(importance))
	for j, v := range importance {
		columns[j] = Column{Weights: rows, Importance: v}
	}
	classify(columns, classes)
	return columns
}

// An example is a line of allocation.jsonl: importances with the shares by
// each rule, or bare weights.
type example struct {
	Label      string
	Rows       int
	Classes    int
	Importance []float64
	Class      []uint8 `json:"-"`
	RawClass   []int   `json:"class_of_channel"`
	Weights    []int64
	Capacity   []int64 `json:"N_g"`
	Budgets    []map[string]json.RawMessage
}

func readExamples(t *testing.T, path string) []example {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []example
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e example
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		for _, g := range e.RawClass {
			e.Class = append(e.Class, uint8(g))
		}
		all = append(all, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCheck19Allocation compares classes and shares with those of exact rational
// arithmetic in Python.
func TestCheck19Allocation(t *testing.T) {
	examples := readExamples(t, "testdata/allocation.jsonl")
	if len(examples) != 24 {
		t.Errorf("%d examples, want 24", len(examples))
	}
	checkExamples(t, examples)
}

// TestCheck19AllocationAll does it for the whole reference file.
func TestCheck19AllocationAll(t *testing.T) {
	checkExamples(t, readExamples(t, sharedtest.Dir(t, "reference", "quant", "allocation.jsonl")))
}

func checkExamples(t *testing.T, examples []example) {
	t.Helper()
	for _, e := range examples {
		var columns []Column
		if e.Weights == nil {
			columns = columnsOf(e.Importance, int64(e.Rows), e.Classes)
			for j, c := range columns {
				if c.Class != e.Class[j] {
					t.Errorf("%s: class of column %d is %d, want %d", e.Label, j, c.Class, e.Class[j])
				}
			}
		}
		for _, b := range e.Budgets {
			var row int64
			if err := json.Unmarshal(b["S_row"], &row); err != nil {
				t.Fatal(err)
			}
			for name, raw := range b {
				if name == "S_row" {
					continue
				}
				var got []int64
				var err error
				if e.Weights != nil {
					var w []*big.Rat
					for _, x := range e.Weights {
						w = append(w, big.NewRat(x, 1))
					}
					got, err = share(w, e.Capacity, 1, row)
				} else {
					var sizes []uint32
					sizes, err = Allocate(strings.ReplaceAll(name, "_", "-"), columns, 1, row)
					for _, s := range sizes {
						got = append(got, int64(s))
					}
				}
				checkShares(t, fmt.Sprintf("%s, %s, %d cells", e.Label, name, row), got, err, raw, e.Capacity, row)
			}
		}
	}
}

func checkShares(t *testing.T, what string, got []int64, err error, raw json.RawMessage, capacity []int64, total int64) {
	t.Helper()
	if string(raw) == `"refused"` {
		if err == nil {
			t.Errorf("%s: %v, want an error", what, got)
		}
		return
	}
	var want []int64
	if e := json.Unmarshal(raw, &want); e != nil {
		t.Fatal(e)
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		return
	}
	var sum int64
	for g, s := range got {
		sum += s
		if s < 1 || s > capacity[g] {
			t.Errorf("%s: class %d has %d cells, want 1 to %d", what, g, s, capacity[g])
		}
	}
	if sum != total {
		t.Errorf("%s: sum %d", what, sum)
	}
}
