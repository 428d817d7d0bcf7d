package artefact

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/packed"
)

// sharing returns two sketches of the same cells, billed five and eight 13ths.
func sharing() [2]*packed.Cells {
	a := packed.Cells{Out: 2, In: 3, Rows: 1, Bits: 8, Reading: "A", Hash: packed.HashMix64, Seeds: []uint64{7},
		Class: []uint8{0, 0, 0}, Sizes: []uint32{5}, Codes: []byte{1, 2, 3, 4, 5}, Scales: []uint16{0x3c00}}
	b := a
	all := []uint64{14}
	a.Shared = &packed.SharedCells{Base: []uint64{0}, Addresses: all, From: 0, To: 5, Total: 13}
	b.Out, b.In, b.Class = 4, 2, []uint8{0, 0}
	b.Shared = &packed.SharedCells{Base: []uint64{6}, Addresses: all, From: 5, To: 13, Total: 13}
	return [2]*packed.Cells{&a, &b}
}

// pooled writes both as a pool, and returns the folder.
func pooled(t *testing.T, edit func(w [2]*packed.Cells)) (dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	w, err := Create(dir, head())
	if err != nil {
		t.Fatal(err)
	}
	pair := sharing()
	edit(pair)
	for i, name := range []string{"a.weight", "b.weight"} {
		if err := w.AddPooled("pool.0", name, pair[i], 1); err != nil {
			return dir, err
		}
	}
	_, err = w.Finish()
	return dir, err
}

// TestPool: what two weights share stands in the file once and comes back in
// both, from the same memory; the entries' bytes sum to the file's.
func TestPool(t *testing.T) {
	dir, err := pooled(t, func([2]*packed.Cells) {})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var got [2]*packed.Cells
	var billed, stored int64
	for i, name := range []string{"a.weight", "b.weight"} {
		w, err := a.Weight(name)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = w.(*packed.Cells)
		e, _ := a.Entry(name)
		billed += e.Bytes
		var parts int64
		for _, n := range e.ClassBytes() {
			parts += n
		}
		if e.Bytes != w.Bytes() || parts != e.Bytes {
			t.Errorf("%s: %d bytes, its weight has %d, its classes %d", name, e.Bytes, w.Bytes(), parts)
		}
	}
	if !reflect.DeepEqual(got, sharing()) {
		t.Errorf("got %+v, want %+v", got, sharing())
	}
	if &got[0].Codes[0] != &got[1].Codes[0] {
		t.Error("the cells are in memory twice")
	}
	for _, name := range a.tensors.Names() {
		ten, _ := a.tensors.Tensor(name)
		stored += int64(len(ten.Data))
	}
	// 5 cells, a seed of 8, a size of 4, a scale of 2, 8 of addresses;
	// class maps of 2 bytes and 1, two bases of 8.
	if billed != stored || stored != 5+8+4+2+8+2+1+2*8 {
		t.Errorf("%d bytes billed, %d stored", billed, stored)
	}
}

// TestPoolFaults: other cells under the same pool are refused, and so are
// manifests whose shares are not the whole.
func TestPoolFaults(t *testing.T) {
	_, err := pooled(t, func(w [2]*packed.Cells) { w[1].Codes = []byte{1, 2, 3, 4, 6} })
	if err == nil || err.Error() != `tensor "b.weight": its cells is not that of pool "pool.0"` {
		t.Errorf("other cells: %v", err)
	}
	_, err = pooled(t, func(w [2]*packed.Cells) { w[1].Shared.To = 20 })
	if err == nil || !strings.Contains(err.Error(), `tensor "b.weight": cells: share: [5,20) of 13`) {
		t.Errorf("share too large: %v", err)
	}
	dir, err := pooled(t, func(w [2]*packed.Cells) { w[1].Shared.To = 12 })
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Open(dir); err == nil || !strings.Contains(err.Error(), `tensor "pool.0.addresses": shares of 7 bytes, want the 8 of its file`) {
		t.Errorf("shares of less than the whole: %v", err)
	}
	dir, err = pooled(t, func([2]*packed.Cells) {})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		`"pool": "pool.0"`: `"pool": "pool.1"`,
		`"bytes": 1,`:      `"bytes": 6,`,
	} {
		if !strings.Contains(string(b), from) {
			t.Fatalf("no %s in %s", from, b)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if a, err := Open(dir); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
			a.Close()
		}
	}
}
