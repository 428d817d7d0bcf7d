package artefact

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

func head() ManifestHead {
	return ManifestHead{
		Method:      "sketchtune",
		Params:      map[string]any{"bits": 4, "gpr": 1, "exponent": 2.5, "start": "histogram"},
		Seed:        1<<53 - 1,
		Version:     3,
		Source:      []File{FileOf("model.safetensors", []byte("source"))},
		Calibration: map[string]any{"corpus": "demo-calibration", "length": 512},
	}
}

func halves(rng *rand.Rand, n int) []uint16 {
	v := make([]uint16, n)
	for i := range v {
		v[i] = packed.F32ToF16(float32(rng.NormFloat64()))
	}
	return v
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// weights returns one weight per kind, in a fixed order.
func weights() (names []string, ws map[string]packed.Weight) {
	rng := rand.New(rand.NewPCG(1, 2))
	ws = map[string]packed.Weight{
		"l.codebook.weight": &packed.Codebook{Out: 5, In: 7, Bits: 3, Group: 7, Codes: random(rng, 5*3), Table: halves(rng, 5*8)},
		"l.cells.weight": &packed.Cells{Out: 3, In: 5, Rows: 2, Bits: 16, Reading: "A", Hash: packed.HashMix64, Seeds: []uint64{1 << 63, 2},
			Class: []uint8{0, 1, 0, 1, 1}, Sizes: []uint32{2, 1}, Cells: halves(rng, 6)},
		"l.dense.weight":   &packed.Dense{Out: 2, In: 3, DType: "BF16", Data: random(rng, 12)},
		"l.grid.weight":    &packed.Grid{Out: 3, In: 10, Bits: 4, Group: 4, Codes: random(rng, 15), Scale: halves(rng, 9), Zero: random(rng, 5)},
		"l.lowrank.weight": &packed.LowRank{Out: 3, In: 4, Rank: 1, U: halves(rng, 3), V: halves(rng, 4)},
	}
	for n := range ws {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, ws
}

func norm() safetensors.Tensor {
	return safetensors.Tensor{Name: "norm.weight", DType: "F32", Shape: []int{3}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 0, 192}}
}

func embed() safetensors.Tensor {
	return safetensors.Tensor{Name: "embed.weight", DType: "F16", Shape: []int{2, 2}, Data: []byte{0, 60, 0, 64, 0, 192, 0, 0}}
}

// write makes the sample artefact and returns its hash.
func write(t *testing.T, dir string, shardBytes int64) string {
	t.Helper()
	w, err := Create(dir, head())
	if err != nil {
		t.Fatal(err)
	}
	if shardBytes > 0 {
		w.ShardBytes = shardBytes
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.CopyFile("config.json", []byte("{}")))
	must(w.AddTensor(embed()))
	names, ws := weights()
	for _, n := range names {
		must(w.Add(n, ws[n], 4.5))
	}
	must(w.AddTensor(norm()))
	hash, err := w.Finish()
	must(err)
	return hash
}

func open(t *testing.T, dir string) *Artefact {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestRoundTrip(t *testing.T) {
	for _, shard := range []int64{0, 40, 1} {
		dir := filepath.Join(t.TempDir(), "a")
		hash := write(t, dir, shard)
		a := open(t, dir)
		if a.Hash() != hash || len(hash) != 64 {
			t.Errorf("hash %s, want %s", a.Hash(), hash)
		}
		if a.Manifest().Method != "sketchtune" || a.Manifest().Seed != 1<<53-1 {
			t.Errorf("head %+v", a.Manifest().ManifestHead)
		}
		names, ws := weights()
		for _, n := range names {
			got, err := a.Weight(n)
			if err != nil {
				t.Error(err)
			} else if !reflect.DeepEqual(got, ws[n]) {
				t.Errorf("%s: got %+v, want %+v", n, got, ws[n])
			}
		}
		if v, err := a.Vector("norm.weight"); err != nil || !slices.Equal(v, []float32{1, 2, -2}) {
			t.Errorf("vector %v, %v", v, err)
		}
		e, err := a.Weight("embed.weight")
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float32, 2)
		if e.Dequantize(row, 1, 2); e.Kind() != packed.KindDense || row[0] != -2 || row[1] != 0 {
			t.Errorf("embeddings %s %v", e.Kind(), row)
		}
		if err := a.VerifyFiles(); err != nil {
			t.Error(err)
		}
	}
}

// TestLedger adds up what the files hold and compares it with what weights
// and entries say.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 64)
	a := open(t, dir)
	var inFiles, inEntries int64
	for _, f := range a.Manifest().Files {
		if filepath.Ext(f.Name) != ".safetensors" {
			continue
		}
		s, err := safetensors.Open(filepath.Join(dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, n := range s.Names() {
			x, _ := s.Tensor(n)
			inFiles += int64(len(x.Data))
		}
	}
	_, ws := weights()
	for _, e := range a.Manifest().Tensors {
		inEntries += e.Bytes
		var classes int64
		for _, n := range e.ClassBytes() {
			classes += n
		}
		if classes != e.Bytes {
			t.Errorf("%s: classes hold %d bytes, want %d", e.Name, classes, e.Bytes)
		}
		if w, ok := ws[e.Name]; ok {
			out, in := w.Dims()
			if e.Bytes != w.Bytes() || e.Count() != int64(out*in) || e.NominalBits != 4.5 {
				t.Errorf("%+v, want %d bytes for %d×%d", e, w.Bytes(), out, in)
			}
		}
	}
	if inFiles != inEntries {
		t.Errorf("files hold %d bytes of tensors, entries %d", inFiles, inEntries)
	}
	e, ok := a.Entry("embed.weight")
	if !ok || e.NominalBits != 16 || e.Count() != 4 || e.Bytes != 8 {
		t.Errorf("embeddings %+v", e)
	}
	n, _ := a.Entry("norm.weight")
	if n.Kind != KindVector || n.NominalBits != 32 || n.Count() != 3 {
		t.Errorf("norm %+v", n)
	}
	c, _ := a.Entry("l.codebook.weight")
	want := map[packed.Class]int64{packed.ClassCodes: 15, packed.ClassTables: 80}
	if !reflect.DeepEqual(c.ClassBytes(), want) {
		t.Errorf("codebook %v, want %v", c.ClassBytes(), want)
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = string(b)
	}
	return m
}

func TestEqualInputsEqualBytes(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	ha, hb := write(t, a, 50), write(t, b, 50)
	if ca, cb := contents(t, a), contents(t, b); ha != hb || !reflect.DeepEqual(ca, cb) {
		t.Errorf("hashes %s and %s, contents equal: %v", ha, hb, reflect.DeepEqual(ca, cb))
	}
	m := contents(t, a)[ManifestFile]
	if strings.Contains(m, a) || strings.Contains(m, "tmp-") {
		t.Errorf("the manifest holds a path: %s", m)
	}
}

// TestAliases checks that 16-bit tables are used in the map, not copied.
func TestAliases(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0)
	a := open(t, dir)
	w, err := a.Weight("l.codebook.weight")
	if err != nil {
		t.Fatal(err)
	}
	table, _ := a.tensors.Tensor("l.codebook.weight.table")
	if got := w.(*packed.Codebook).Table; unsafe.Pointer(&got[0]) != unsafe.Pointer(&table.Data[0]) {
		t.Error("the table is a copy")
	}
}

func TestWriterFaults(t *testing.T) {
	bad := head()
	bad.Seed = 1 << 53
	bad.Params = map[string]any{"list": []int{1}, "nan": math.NaN()}
	_, err := Create(t.TempDir(), bad)
	for _, want := range []string{"seed: ", "params.list", "params.nan"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	dir := t.TempDir()
	w, err := Create(dir, head())
	if err != nil {
		t.Fatal(err)
	}
	table := &packed.Codebook{Out: 1, In: 1, Bits: 2, Group: 1, Codes: []byte{0}, Table: make([]uint16, 4)}
	if err := w.Add("w", table, 2); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`tensor "w.codes": the name is taken`: w.Add("w", table, 2),
		`nominal bits NaN`:                    w.Add("v", table, math.NaN()),
		`tensor "u": codebook: bytes of code`: w.Add("u", &packed.Codebook{Out: 1, In: 1, Bits: 2, Group: 1}, 2),
		`tensor "e": F32 [0] holds no values`: w.AddTensor(safetensors.Tensor{Name: "e", DType: "F32", Shape: []int{0}}),
		`"a/b", want a name without a folder`: w.CopyFile("a/b", nil),
		`"x.safetensors" is reserved`:         w.CopyFile("x.safetensors", nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, head()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second artefact in one folder: %v", err)
	}
}

// TestLeftovers checks that a file which an earlier attempt left is never
// taken over, and that no manifest stands beside a failed write.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, head())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AddTensor(norm()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp-model-00001"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want the path", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ManifestFile)); err == nil {
		t.Error("a manifest was written")
	}
}

// TestDeclared keeps the bytes that another program declares beside those of
// the dequantised weights, and refuses what cannot be.
func TestDeclared(t *testing.T) {
	h := head()
	h.Import = []File{FileOf("bytes.json", []byte("declared"))}
	dir := t.TempDir()
	w, err := Create(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	d := &packed.Dense{Out: 2, In: 3, DType: "BF16", Data: make([]byte, 12)}
	if err := w.AddDeclared("w", d, 2.5, 0); err == nil || err.Error() != `tensor "w": 0 bytes declared, want at least 1` {
		t.Errorf("0 bytes: %v", err)
	}
	if err := w.AddDeclared("w", d, 2.5, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if e, _ := a.Entry("w"); e.Declared != 7 || e.Bytes != 12 || len(a.Manifest().Import) != 1 {
		t.Errorf("entry %+v, import %v", e, a.Manifest().Import)
	}
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`"declared": -7`, `"declared": 7.5`} {
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"declared": 7`, bad, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
