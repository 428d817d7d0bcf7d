package packed

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// samples returns a small valid weight of every kind and variant.
func samples() []Weight {
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	halves := func(n int) []uint16 {
		v := make([]uint16, n)
		for i := range v {
			v[i] = F32ToF16(float32(rng.NormFloat64()))
		}
		return v
	}
	ws := []Weight{
		&Dense{3, 5, "F32", binary.LittleEndian.AppendUint32(random(56), math.Float32bits(1.5))},
		&Dense{3, 5, "F16", bytes16(halves(15))},
		&Dense{3, 5, "BF16", random(30)},
		&LowRank{5, 7, 2, halves(10), halves(14)},
		&Cells{4, 6, 3, "A", []uint64{1, 1 << 63, 77}, []uint8{0, 1, 2, 1, 0, 2}, []uint32{3, 1, 2}, append(halves(17), 0x7c00)},
	}
	for _, bits := range []int{2, 3, 4, 8} {
		rb := RowBytes(12, bits)
		ws = append(ws,
			&Grid{5, 12, bits, 5, false, random(5 * rb), halves(15), random(RowBytes(15, bits))},
			&Grid{5, 12, bits, 12, true, random(5 * rb), halves(5), nil},
			&Codebook{5, 12, bits, 4, random(5 * rb), halves(15 << bits)})
	}
	return ws
}

func partMap(w Weight) map[string]Part {
	m := map[string]Part{}
	for _, p := range w.Parts() {
		m[p.Name] = p
	}
	return m
}

// TestFromParts checks that meta (through JSON, as a manifest holds it) and
// parts make the same weight, also from data at an odd address.
func TestFromParts(t *testing.T) {
	seen := map[Kind]bool{}
	for _, w := range samples() {
		seen[w.Kind()] = true
		if err := w.Check(); err != nil {
			t.Errorf("%s: %v", w.Kind(), err)
		}
		js, err := json.Marshal(MetaOf(w))
		if err != nil {
			t.Fatal(err)
		}
		var meta Meta
		if err := json.Unmarshal(js, &meta); err != nil {
			t.Fatal(err)
		}
		var bytes int64
		parts, odd := partMap(w), partMap(w)
		for name, p := range odd {
			bytes += int64(len(p.Data))
			p.Data = append(make([]byte, 1, len(p.Data)+1), p.Data...)[1:]
			odd[name] = p
		}
		if w.Bytes() != bytes {
			t.Errorf("%s: Bytes() = %d, parts hold %d", w.Kind(), w.Bytes(), bytes)
		}
		for _, parts := range []map[string]Part{parts, odd} {
			got, err := FromParts(w.Kind(), meta, parts)
			if err != nil {
				t.Errorf("%s: %v", w.Kind(), err)
				continue
			}
			if !reflect.DeepEqual(got, w) {
				t.Errorf("%s: got %+v, want %+v", w.Kind(), got, w)
			}
		}
	}
	for _, k := range Kinds() {
		if !seen[k] {
			t.Errorf("no sample of kind %s", k)
		}
	}
}

// TestFromPartsMalformed damages meta and parts in every single way that a
// manifest or a file could: none may pass or panic.
func TestFromPartsMalformed(t *testing.T) {
	numbers := []int{-1, 0, 1, 2, 3, 5, 9, 64, math.MaxInt32, math.MaxInt, math.MinInt}
	for _, w := range samples() {
		good := MetaOf(w)
		try := func(what string, m Meta, parts map[string]Part, mustFail bool) {
			t.Helper()
			got, err := FromParts(w.Kind(), m, parts)
			switch {
			case err == nil && mustFail:
				t.Errorf("%s %+v: %s passed", w.Kind(), good, what)
			case err == nil:
				out, in := got.Dims()
				out = min(out, 100)
				got.Dequantize(make([]float32, out*in), 0, out)
			}
		}
		for f := range reflect.TypeFor[Meta]().NumField() {
			m := good
			v := reflect.ValueOf(&m).Elem().Field(f)
			switch v.Kind() {
			case reflect.Int:
				for _, n := range numbers {
					m = good
					v.SetInt(int64(n))
					// Sizes do not tell every change: another In or Group can
					// give as many bytes and groups, and cells serve any Out.
					name := reflect.TypeFor[Meta]().Field(f).Name
					silent := name == "Group" || name == "In" || name == "Out" && w.Kind() == KindCells
					try("meta", m, partMap(w), m != good && !silent)
				}
			case reflect.Bool:
				v.SetBool(!v.Bool())
				try("meta", m, partMap(w), true)
			case reflect.String:
				v.SetString("X")
				try("meta", m, partMap(w), true)
			}
		}
		for name, p := range partMap(w) {
			for what, damaged := range damage(p) {
				parts := maps.Clone(partMap(w))
				parts[name] = damaged
				try(name+" "+what, good, parts, true)
			}
			parts := partMap(w)
			delete(parts, name)
			try("no "+name, good, parts, true)
		}
		parts := partMap(w)
		parts["extra"] = Part{}
		try("a surplus part", good, parts, true)
	}
	if _, err := FromParts("bogus", Meta{}, nil); err == nil || !strings.Contains(err.Error(), `"bogus"`) {
		t.Errorf("unknown kind: %v", err)
	}
}

// damage returns wrong forms of a part.
func damage(p Part) map[string]Part {
	m := map[string]Part{}
	set := func(what string, f func(*Part)) {
		q := p
		q.Shape = append([]int(nil), p.Shape...)
		f(&q)
		m[what] = q
	}
	set("short", func(q *Part) { q.Data = q.Data[:len(q.Data)-1] })
	set("long", func(q *Part) { q.Data = append(append([]byte(nil), q.Data...), 0) })
	set("empty", func(q *Part) { q.Data = nil })
	set("dtype", func(q *Part) { q.DType = "I8" })
	set("shape", func(q *Part) { q.Shape[0]++ })
	set("rank", func(q *Part) { q.Shape = append(q.Shape, 1) })
	return m
}

// TestCheckValues puts values that no writer makes into each format.
func TestCheckValues(t *testing.T) {
	nan := uint16(0x7e01)
	for _, c := range []struct {
		want string
		w    Weight
	}{
		{"grid: scale[1] is NaN", &Grid{2, 4, 4, 4, true, make([]byte, 4), []uint16{0, nan}, nil}},
		{"codebook: table[3] is +Inf", &Codebook{1, 4, 2, 4, make([]byte, 1), []uint16{0, 0, 0, 0x7c00}}},
		{"lowrank: v[0] is NaN", &LowRank{1, 1, 1, []uint16{0}, []uint16{nan}}},
		{"cells: cells[0] is -Inf", &Cells{1, 1, 1, "A", []uint64{1}, []uint8{0}, []uint32{1}, []uint16{0xfc00}}},
		{"cells: class[0]: 1, want below 1", &Cells{1, 1, 1, "A", []uint64{1}, []uint8{1}, []uint32{1}, []uint16{0}}},
		{"cells: sizes[1]: 0 cells", &Cells{1, 1, 1, "A", []uint64{1}, []uint8{1}, []uint32{1, 0}, []uint16{0}}},
		{"grid: bits: 5, want one of 2, 3, 4, 8", &Grid{1, 1, 5, 1, true, make([]byte, 1), []uint16{0}, nil}},
	} {
		if err := c.w.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
