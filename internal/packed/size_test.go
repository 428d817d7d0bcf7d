package packed

import (
	"bytes"
	"fmt"
	"math"
	"testing"
)

// zeros is where test weights get their codes from: only sizes matter here.
var zeros = make([]byte, 64<<20)

func bpw(w Weight) float64 {
	out, in := w.Dims()
	return 8 * float64(w.Bytes()) / float64(out) / float64(in)
}

func grid(out, in, bits, group int, symmetric bool) *Grid {
	w := &Grid{Out: out, In: in, Bits: bits, Group: group, Symmetric: symmetric, Codes: zeros[:out*RowBytes(in, bits)]}
	w.Scale = make([]uint16, out*w.Groups())
	if !symmetric {
		w.Zero = zeros[:RowBytes(len(w.Scale), bits)]
	}
	return w
}

func codebook(out, in, bits, gpr int) *Codebook {
	return &Codebook{Out: out, In: in, Bits: bits, Group: in / gpr,
		Codes: zeros[:out*RowBytes(in, bits)], Table: make([]uint16, out*gpr<<bits)}
}

func signs(out, in int) *Signs {
	return &Signs{Out: out, In: in, Minus: zeros[:PlaneBytes(out*in)], A: make([]uint16, out), B: make([]uint16, in)}
}

func binaryOf(out, in, regions, keep int) *Binary {
	w := &Binary{Out: out, In: in, Block: 128, Regions: regions, Keep: keep, Salient: zeros[:PlaneBytes(in)]}
	w.Minus = zeros[:PlaneBytes(out*w.Kept())]
	w.Low = w.Minus
	if regions == 3 {
		w.High = w.Minus
	}
	if keep < 8 {
		w.Mask = zeros[:PlaneBytes(out*w.MaskBits())]
	}
	w.Scalars = make([]uint16, out*w.Blocks()*w.RowScalars())
	return w
}

// partial has one salient weight in every 8.
func partial(out, in int) *Partial {
	n := PlaneBytes(out * in)
	return &Partial{Out: out, In: in, Mask: bytes.Repeat([]byte{1}, n), Low: zeros[:n], High: zeros[:7*n/8],
		Scale: make([]uint16, out), Zero: make([]uint8, out), Rest: make([]uint16, 2*out)}
}

// TestBitsPerWeight checks methods.md 6, row 12, counted from Bytes.
func TestBitsPerWeight(t *testing.T) {
	for _, c := range []struct {
		name string
		w    Weight
		want float64
	}{
		{"RTN4 asym 128", grid(64, 4096, 4, 128, false), 4.15625},
		{"RTN4 asym 64", grid(64, 4096, 4, 64, false), 4.3125},
		{"RTN4 asym 32", grid(64, 4096, 4, 32, false), 4.625},
		{"RTN4 sym 128", grid(64, 4096, 4, 128, true), 4.125},
		{"RTN4 sym 64", grid(64, 4096, 4, 64, true), 4.25},
		{"RTN4 sym 32", grid(64, 4096, 4, 32, true), 4.5},
		{"RTN2 asym 128: 2 + 18/128", grid(64, 4096, 2, 128, false), 2.140625},
		{"RTN3 asym row: 3 + 19/4096", grid(64, 4096, 3, 4096, false), 3 + 19.0/4096},
		{"SketchTune INT4 GPR 1", codebook(64, 4096, 4, 1), 4.0625},
		{"SketchTune INT3 GPR 4: 3 + 16·8·4/4096", codebook(64, 4096, 3, 4), 3.125},
		{"OneBit of 4096²: 1 + 16·8192/4096²", signs(4096, 4096), 1.0078125},
		{"BiLLM: 2.875 + 1/n", binaryOf(64, 4096, 2, 8), 2.875 + 1.0/64},
		{"BiLLM of 4096 rows", binaryOf(4096, 4096, 2, 8), 2.875 + 1.0/4096},
		// NanoQuant's table prints 4.13, 4.00 and 3.50 (methods.md 5.4).
		{"STBLLM 8:8: 3 + 16·9/128 + 1/n", binaryOf(4096, 4096, 3, 8), 4.125 + 1.0/4096},
		{"STBLLM 6:8: 3·6/8 + 5/8 + 16·9/128 + 1/n", binaryOf(4096, 4096, 3, 6), 4 + 1.0/4096},
		{"STBLLM 5:8: 3·5/8 + 6/8 + 16·9/128 + 1/n", binaryOf(4096, 4096, 3, 5), 3.75 + 1.0/4096},
		{"STBLLM 4:8: 3·4/8 + 7/8 + 16·9/128 + 1/n", binaryOf(4096, 4096, 3, 4), 3.5 + 1.0/4096},
		{"STBLLM 2:8: 3·2/8 + 5/8 + 16·9/128 + 1/n", binaryOf(4096, 4096, 3, 2), 2.5 + 1.0/4096},
		{"PB-LLM, 1 of 8: 8/8 + 7/8 + 1 + 56/d", partial(512, 4096), 1 + 0.875 + 1 + 56.0/4096},
		{"rank 64 of 4096²", &LowRank{4096, 4096, 64, make([]uint16, 64*4096), make([]uint16, 64*4096)}, 0.5},
	} {
		if err := c.w.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := bpw(c.w); got != c.want {
			t.Errorf("%s: %v bits per weight, want %v", c.name, got, c.want)
		}
	}
}

// TestAbsMaxMinBudget checks methods.md 3.7: at 0.5 bits, R = 3 and 16-bit
// cells, cells/N is 1/32 and λ per row 96; seeds cost 64·R bits, the class
// map 3 per input channel, and the 8 class sizes 32 each.
func TestAbsMaxMinBudget(t *testing.T) {
	const n, d, rows = 2048, 2048, 3
	row := n * d / 96
	w := &Cells{Out: n, In: d, Rows: rows, Bits: 16, Reading: "A", Hash: HashMix64, Seeds: make([]uint64, rows),
		Class: make([]uint8, d), Sizes: make([]uint32, 8), Cells: make([]uint16, rows*row)}
	w.Sizes[0] = uint32(row)
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
	want := float64(16*rows*row+64*rows+3*d+32*8) / (n * d)
	if got := bpw(w); math.Abs(got-want) > 1e-15 {
		t.Errorf("%v bits per weight, want %v", got, want)
	}
	if got := bpw(w); math.Abs(got-0.5) > 0.002 {
		t.Errorf("%v bits per weight, want about 0.5", got)
	}
}

// llama gives the shape of a model: decoder layers of seven linears.
type llama struct {
	name                   string
	layers, hidden, kv, ff int
}

// linears returns a layer's matrices as (out, in).
func (m llama) linears() [][2]int {
	h := m.hidden
	return [][2]int{{h, h}, {m.kv, h}, {m.kv, h}, {h, h}, {m.ff, h}, {m.ff, h}, {h, m.ff}}
}

// TestSketchTuneSizes checks the tables of methods.md 2.7 in all printed
// digits: trainable values in millions at INT4 and stored bits per weight
// averaged over the sketched matrices, at GPR 1, 2, 4 and 8.
func TestSketchTuneSizes(t *testing.T) {
	for _, c := range []struct {
		m         llama
		rows      int
		weights   int64
		trainable string
		stored    map[int]string
	}{
		{llama{"Llama-2-7B", 32, 4096, 4096, 11008}, 1359872, 6476005376, "21.76 / 43.52 / 87.03 / 174.06", map[int]string{
			4: "4.054 / 4.108 / 4.215 / 4.430", 3: "3.027 / 3.054 / 3.108 / 3.215", 2: "2.013 / 2.027 / 2.054 / 2.108"}},
		{llama{"Llama-13B", 40, 5120, 5120, 13824}, 2129920, 12687769600, "34.08 / 68.16 / 136.31 / 272.63", map[int]string{
			4: "4.043 / 4.086 / 4.172 / 4.344", 3: "3.021 / 3.043 / 3.086 / 3.172", 2: "2.011 / 2.021 / 2.043 / 2.086"}},
		{llama{"Llama-3-8B", 32, 4096, 1024, 14336}, 1376256, 6979321856, "22.02 / 44.04 / 88.08 / 176.16", map[int]string{
			4: "4.050 / 4.101 / 4.202 / 4.404", 3: "3.025 / 3.050 / 3.101 / 3.202", 2: "2.013 / 2.025 / 2.050 / 2.101"}},
		{llama{"Llama-3.2-1B", 16, 2048, 512, 8192}, 376832, 973078528, "6.03 / 12.06 / 24.12 / 48.23", map[int]string{
			4: "4.099 / 4.198 / 4.397 / 4.793", 3: "3.050 / 3.099 / 3.198 / 3.397", 2: "2.025 / 2.050 / 2.099 / 2.198"}},
	} {
		rows, weights := 0, int64(0)
		for _, s := range c.m.linears() {
			rows += c.m.layers * s[0]
			weights += int64(c.m.layers*s[0]) * int64(s[1])
		}
		if rows != c.rows || weights != c.weights {
			t.Errorf("%s: %d rows, %d weights; want %d, %d", c.m.name, rows, weights, c.rows, c.weights)
		}
		for bits, want := range c.stored {
			var avg, millions [4]float64
			for i, gpr := range []int{1, 2, 4, 8} {
				var bytes int64
				values := 0
				for _, s := range c.m.linears() {
					w := codebook(s[0], s[1], bits, gpr)
					bytes += int64(c.m.layers) * w.Bytes()
					values += c.m.layers * len(w.Table)
				}
				avg[i] = 8 * float64(bytes) / float64(weights)
				millions[i] = float64(values) / 1e6
			}
			if got := fmt.Sprintf("%.3f / %.3f / %.3f / %.3f", avg[0], avg[1], avg[2], avg[3]); got != want {
				t.Errorf("%s, %d bits: %s bits per weight, want %s", c.m.name, bits, got, want)
			}
			if got := fmt.Sprintf("%.2f / %.2f / %.2f / %.2f", millions[0], millions[1], millions[2], millions[3]); bits == 4 && got != c.trainable {
				t.Errorf("%s: %s million values, want %s", c.m.name, got, c.trainable)
			}
		}
	}
}
