package packed

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/bits"
	"os"
	"strconv"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// checkHashes compares the hash with a file of reference rows, exactly.
func checkHashes(t *testing.T, path string, rows int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, narrow := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var row map[string]string
		if err := json.Unmarshal(s.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		v := map[string]uint64{}
		for k, text := range row {
			if v[k], err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if got := Mix64(v["address"] ^ v["seed"]); got != v["mix64"] {
			t.Fatalf("row %d: Mix64 = %d, want %d", n, got, v["mix64"])
		}
		if hi, _ := bits.Mul64(v["mix64"], v["cells"]); hi != v["index"] {
			t.Fatalf("row %d: high word %d, want %d", n, hi, v["index"])
		}
		if v["cells"] > math.MaxUint32 {
			continue
		}
		narrow++
		if got := CellIndex(v["seed"], v["address"], uint32(v["cells"])); uint64(got) != v["index"] {
			t.Fatalf("row %d: CellIndex = %d, want %d", n, got, v["index"])
		}
	}
	if n != rows || narrow < rows/2 {
		t.Errorf("%d rows, %d with 32-bit cell counts; want %d", n, narrow, rows)
	}
}

// testdata/hash_indices.jsonl is every tenth row of
// shared/reference/quant/hash_indices.jsonl (made by gen/quant.py).
func TestHash(t *testing.T) { checkHashes(t, "testdata/hash_indices.jsonl", 100) }

func TestHashAll(t *testing.T) {
	checkHashes(t, sharedtest.Dir(t, "reference", "quant", "hash_indices.jsonl"), 1000)
}

// readF32 reads one F32 tensor of a safetensors file.
func readF32(t *testing.T, path, name string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var head map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	off := head[name].Offsets
	b = b[8+int(n):][off[0]:off[1]]
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// sketch inserts w (out×in, one class) as methods.md 3.3 does, cells rounded
// toward zero afterwards.
func sketch(w []float32, out, in int, cells uint32, seeds []uint64, reading string) *Cells {
	s := &Cells{Out: out, In: in, Rows: len(seeds), Bits: 16, Reading: reading, Hash: HashMix64, Seeds: seeds,
		Class: make([]uint8, in), Sizes: []uint32{cells}}
	for _, seed := range seeds {
		row := make([]float32, cells)
		for i := range row {
			row[i] = float32(math.Inf(1))
		}
		for a, x := range w {
			if c := &row[CellIndex(seed, uint64(a), cells)]; abs(x) < abs(*c) {
				*c = x
			}
		}
		for _, x := range row {
			s.Cells = append(s.Cells, F32ToF16TowardZero(x))
		}
	}
	return s
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// TestCellsReference compares stored and decoded bytes with those of
// gen/quantlib.py on the matrix heavy (128×384), both readings, seeds small
// and mixed, three loads.
func TestCellsReference(t *testing.T) {
	w := readF32(t, sharedtest.Dir(t, "reference", "quant", "inputs.safetensors"), "heavy.W")
	b, err := os.ReadFile(sharedtest.Dir(t, "reference", "quant", "absmaxmin.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Results struct {
			Seeds map[string][]string
			Cases map[string]struct {
				Cells   string `json:"sha256_cells_f16le_toward_zero"`
				Decoded string `json:"sha256_decoded_f32le_from_f16_cells"`
			}
		}
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for kind, texts := range ref.Results.Seeds {
		var seeds []uint64
		for _, s := range texts {
			v, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			seeds = append(seeds, v)
		}
		for _, div := range []int{4, 8, 24} {
			for _, reading := range []string{"A", "C"} {
				prefix := kind + ".N" + strconv.Itoa(div)
				s := sketch(w, 128, 384, uint32(len(w)/div), seeds, reading)
				row := len(s.Cells) / 3
				for k := range 3 {
					want := ref.Results.Cases[prefix+".row"+strconv.Itoa(k+1)].Cells
					if got := sum(bytes16(s.Cells[k*row : (k+1)*row])); got != want {
						t.Errorf("%s row %d: cells %s, want %s", prefix, k, got, want)
					}
				}
				dst := make([]float32, len(w))
				s.Dequantize(dst[:10*384], 0, 10)
				s.Dequantize(dst[10*384:], 10, 128)
				var le []byte
				for _, x := range dst {
					le = binary.LittleEndian.AppendUint32(le, math.Float32bits(x))
				}
				want := ref.Results.Cases[prefix+".R3."+reading].Decoded
				if got := sum(le); got != want {
					t.Errorf("%s %s: decoded %s, want %s", prefix, reading, got, want)
				}
				checked++
			}
		}
	}
	if checked != 12 {
		t.Errorf("%d cases, want 12", checked)
	}
}

// TestCellsByHand decodes a 2×3 matrix with two classes: columns 0 and 2 in
// class 1 (3 cells), column 1 in class 0 (1 cell).
func TestCellsByHand(t *testing.T) {
	h := F32ToF16
	inf := h(float32(math.Inf(1)))
	w := &Cells{Out: 2, In: 3, Rows: 2, Bits: 16, Reading: "A", Hash: HashMix64, Seeds: []uint64{5, 6},
		Class: []uint8{1, 0, 1}, Sizes: []uint32{1, 3},
		Cells: []uint16{h(-4), h(1), h(2), h(3), h(4), h(-1), h(-2), h(-3)}}
	l := w.Layout()
	if l.Row != 4 || l.Offsets[1] != 1 || l.Counts[0] != 1 || l.Counts[1] != 2 || l.Position[2] != 1 {
		t.Fatalf("layout %+v", l)
	}
	for _, reading := range []string{"A", "C"} {
		w.Reading = reading
		got := make([]float32, 6)
		w.Dequantize(got, 0, 2)
		for r := range 2 {
			for _, c := range []int{0, 2} {
				a := uint64(2*r + c/2) // rank within class 1
				x := float32(1 + CellIndex(5, a, 3))
				y := -float32(1 + CellIndex(6, a, 3))
				want := x
				if reading == "A" && -y > x {
					want = y
				}
				if got[3*r+c] != want {
					t.Errorf("%s: [%d,%d] = %v, want %v", reading, r, c, got[3*r+c], want)
				}
			}
			// Class 0 has one cell per row: -4 and 4. By magnitude they tie
			// and the earlier row stays; as numbers 4 is greater.
			want := map[string]float32{"A": -4, "C": 4}[reading]
			if got[3*r+1] != want {
				t.Errorf("%s: [%d,1] = %v, want %v", reading, r, got[3*r+1], want)
			}
		}
	}
	w.Cells[0] = inf
	got := make([]float32, 3)
	if w.Dequantize(got, 0, 1); got[1] != 0 {
		t.Errorf("an empty cell reads as %v, want 0", got[1])
	}
}

// TestSplit: of the two sketches of reading S the smaller magnitude counts, of
// equal ones the first, and an empty cell never does.
func TestSplit(t *testing.T) {
	const half, quarter, empty = 0x3800, 0x3400, 0x7c00 // f16
	for cells, want := range map[[2]uint16]float32{
		{half, quarter}: -0.25, {quarter, half}: 0.25, {half, half}: 0.5, {empty, half}: -0.5, {half, empty}: 0.5, {empty, empty}: 0,
	} {
		w := &Cells{Out: 1, In: 1, Rows: 2, Bits: 16, Reading: ReadingSplit, Hash: HashMix64,
			Seeds: []uint64{1, 2}, Class: []uint8{0}, Sizes: []uint32{1}, Cells: cells[:]}
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
		var got [1]float32
		if w.Dequantize(got[:], 0, 1); got[0] != want {
			t.Errorf("%x: %v, want %v", cells, got[0], want)
		}
	}
}
