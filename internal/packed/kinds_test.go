package packed

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
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
		&Sparse{3, 6, []uint32{0, 2, 2, 5}, []uint32{1, 5, 0, 3, 4}, halves(5)},
		&Sum{[]Weight{
			&Codebook{3, 6, 2, 3, random(6), halves(24)},
			&LowRank{3, 6, 1, halves(3), halves(6)},
			&Sparse{3, 6, []uint32{0, 0, 1, 1}, []uint32{2}, halves(1)},
			&Dense{3, 6, "F16", bytes16(halves(18))},
		}},
		&Hashed{Out: 4, In: 6, Rows: 1, Size: 5, Addressing: AddressWeights, Combine: CombineSingle, Sign: SignHash,
			Seeds: []uint64{1, 1 << 63}, Cells: halves(5)},
		&Hashed{Out: 4, In: 6, Rows: 3, Size: 5, Addressing: AddressWeights, Combine: CombineMedian, Sign: SignHash,
			Seeds: []uint64{1, 2, 3, 4, 5, 6}, Cells: halves(15)},
		&Hashed{Out: 4, In: 6, Rows: 2, Size: 5, Addressing: AddressWeights, Combine: CombineMin, Sign: SignPlane,
			Seeds: []uint64{1, 2}, Cells: halves(10), Signs: []byte{1, 2, 3, 63}},
		&Hashed{Out: 4, In: 6, Rows: 1, Size: 5, Addressing: AddressChunks, Chunk: 4, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 50, 100}, Cells: halves(5)},
		&Hashed{Out: 4, In: 6, Rows: 1, Size: 9, Addressing: AddressTiles, TileIn: 4, TileOut: 2, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 50, 100}, Cells: halves(9)},
		&Hashed{Out: 4, In: 6, Rows: 1, Size: 90, Addressing: AddressTiles, TileIn: 4, TileOut: 3, Combine: CombineSingle, Sign: SignNone,
			Seeds: []uint64{101, 7, 50, 100, 1, 2, 3}, Cells: halves(90)},
	}
	for _, b := range []*Binary{
		{Out: 5, In: 12, Block: 8, Regions: 2, Keep: 8}, {Out: 5, In: 13, Block: 5, Regions: 3, Keep: 8},
		{Out: 5, In: 24, Block: 16, Regions: 3, Keep: 4}, {Out: 5, In: 13, Block: 8, Regions: 2, Keep: 6},
	} {
		plane := PlaneBytes(b.Out * b.Kept())
		b.Minus, b.Low, b.Salient = random(plane), random(plane), random(PlaneBytes(b.In))
		if b.Regions == 3 {
			b.High = random(plane)
		}
		if b.Keep < 8 {
			b.Mask = make([]byte, PlaneBytes(b.Out*b.MaskBits())) // all the first pattern
			SetBits(b.Mask, 0, 3, 5)
		}
		b.Scalars = halves(b.Out * b.Blocks() * b.RowScalars())
		ws = append(ws, b)
	}
	p := &Partial{Out: 5, In: 7, Mask: random(PlaneBytes(35)), Low: random(PlaneBytes(35)),
		Scale: halves(5), Zero: random(5), Rest: halves(10)}
	p.High = random(PlaneBytes(7 * p.Salient(5)))
	ws = append(ws, p, &Signs{5, 7, random(PlaneBytes(35)), halves(5), halves(7)})
	ws = append(ws, cellSamples(random, halves)...)
	for _, bits := range []int{2, 3, 4, 8} {
		rb := RowBytes(12, bits)
		ws = append(ws,
			&Grid{5, 12, bits, 5, false, random(5 * rb), halves(15), random(RowBytes(15, bits)), nil},
			&Grid{5, 12, bits, 12, true, random(5 * rb), halves(5), nil, nil},
			&Grid{5, 12, bits, 5, false, random(5 * rb), halves(15), random(RowBytes(15, bits)), []uint32{2, 0, 1, 1, 0, 2, 2, 2, 0, 0, 1, 0}},
			&Codebook{5, 12, bits, 4, random(5 * rb), halves(15 << bits)})
	}
	floats := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	for _, bits := range []int{2, 3, 4} {
		rb := RowBytes(13, bits)
		ws = append(ws,
			&Levels{Out: 5, In: 13, Bits: bits, Block: 9, Codes: random(5 * rb), Absmax: floats(8)},
			&Levels{Out: 400, In: 13, Bits: bits, Block: 7, Codes: random(400 * rb), AbsmaxCodes: random(743), Absmax2: floats(3), Offset: 0.5})
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
			if s, ok := w.(Sharer); ok {
				if n, ok := s.Share(name); ok {
					bytes += n - int64(len(p.Data))
				}
			}
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
				if in > readMost {
					return
				}
				out = min(out, 100)
				got.Dequantize(make([]float32, out*in), 0, out)
			}
		}
		for _, f := range metaFields(good) {
			m := cloneMeta(good)
			v := f.of(&m)
			switch v.Kind() {
			case reflect.Int:
				for _, n := range numbers {
					m = cloneMeta(good)
					f.of(&m).SetInt(int64(n))
					// Sizes do not tell every change: another In, Group, Block, Chunk
					// or tile can give as many bytes and groups, and cells
					// serve any Out.
					silent := slices.Contains([]string{"Group", "In", "Block", "Chunk", "TileIn", "TileOut", "Tile", "Window"}, f.name) ||
						f.name == "Out" && (w.Kind() == KindCells || w.Kind() == KindHashed)
					try("meta", m, partMap(w), !reflect.DeepEqual(m, good) && !silent)
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

// A metaField is a field of Meta, or of what one of its pointers points to.
type metaField struct {
	name string
	path []int
}

// of returns the field in m.
func (f metaField) of(m *Meta) reflect.Value {
	return reflect.ValueOf(m).Elem().FieldByIndex(f.path)
}

// metaFields lists the fields of m; those behind nil pointers are left out.
func metaFields(m Meta) []metaField {
	var fields []metaField
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		if v.Field(i).Kind() != reflect.Pointer {
			fields = append(fields, metaField{v.Type().Field(i).Name, []int{i}})
			continue
		}
		if v.Field(i).IsNil() {
			continue
		}
		inner := v.Type().Field(i).Type.Elem()
		for j := range inner.NumField() {
			fields = append(fields, metaField{inner.Field(j).Name, []int{i, j}})
		}
	}
	return fields
}

// cloneMeta copies m and what its pointers point to.
func cloneMeta(m Meta) Meta {
	var c Meta
	if err := json.Unmarshal(must(json.Marshal(m)), &c); err != nil {
		panic(err)
	}
	return c
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
		{"grid: scale[1] is NaN", &Grid{2, 4, 4, 4, true, make([]byte, 4), []uint16{0, nan}, nil, nil}},
		{"codebook: table[3] is +Inf", &Codebook{1, 4, 2, 4, make([]byte, 1), []uint16{0, 0, 0, 0x7c00}}},
		{"lowrank: v[0] is NaN", &LowRank{1, 1, 1, []uint16{0}, []uint16{nan}}},
		{"hashed: cells[1] is NaN", &Hashed{Out: 1, In: 1, Rows: 1, Size: 2, Addressing: "weights", Combine: "single", Sign: "none", Seeds: []uint64{1}, Cells: []uint16{0, nan}}},
		{"hashed: rows: 2 with combine median", &Hashed{Out: 1, In: 1, Rows: 2, Size: 1, Addressing: "weights", Combine: "median", Sign: "none", Seeds: []uint64{1, 2}, Cells: []uint16{0, 0}}},
		{"hashed: 1 seeds, want [2]", &Hashed{Out: 1, In: 1, Rows: 1, Size: 1, Addressing: "weights", Combine: "single", Sign: "hash", Seeds: []uint64{1}, Cells: []uint16{0}}},
		{"hashed: sign: plane with addressing by chunks", &Hashed{Out: 1, In: 1, Rows: 1, Size: 1, Addressing: "chunks", Chunk: 1, Combine: "single", Sign: "plane", Seeds: []uint64{2, 1, 1, 1}, Cells: []uint16{0}, Signs: []byte{1}}},
		{"hashed: chunk: 2 with 1 cells", &Hashed{Out: 1, In: 2, Rows: 1, Size: 1, Addressing: "chunks", Chunk: 2, Combine: "single", Sign: "none", Seeds: []uint64{2, 1, 1, 1}, Cells: []uint16{0}}},
		{"hashed: tiles of 1×2 with 2 cells", &Hashed{Out: 2, In: 1, Rows: 1, Size: 2, Addressing: "tiles", TileIn: 1, TileOut: 2, Combine: "single", Sign: "none", Seeds: []uint64{2, 1, 1, 1}, Cells: []uint16{0, 0}}},
		{"hashed: seeds[2]: 2, want below the modulus 2", &Hashed{Out: 1, In: 1, Rows: 1, Size: 1, Addressing: "chunks", Chunk: 1, Combine: "single", Sign: "none", Seeds: []uint64{2, 1, 2, 1}, Cells: []uint16{0}}},
		{"hashed: seeds[0]: modulus 0", &Hashed{Out: 1, In: 1, Rows: 1, Size: 1, Addressing: "chunks", Chunk: 1, Combine: "single", Sign: "none", Seeds: []uint64{0, 0, 0, 0}, Cells: []uint16{0}}},
		{"grid: bits: 5, want one of 2, 3, 4, 8", &Grid{1, 1, 5, 1, true, make([]byte, 1), []uint16{0}, nil, nil}},
		{"grid: index[1]: 2, want below the 2 groups", &Grid{1, 2, 4, 1, true, make([]byte, 1), []uint16{0, 0}, nil, []uint32{1, 2}}},
		{"levels: absmax[1] is NaN", &Levels{Out: 1, In: 2, Bits: 4, Block: 1, Codes: make([]byte, 1), Absmax: []float32{1, float32(math.NaN())}}},
		{"levels: absmax2[0] is 2e+38 with an offset of 2e+38", &Levels{Out: 1, In: 2, Bits: 4, Block: 2, Codes: make([]byte, 1), AbsmaxCodes: []uint8{9}, Absmax2: []float32{2e38}, Offset: 2e38}},
		{"levels: bits: 5, want one of 2, 3, 4", &Levels{Out: 1, In: 1, Bits: 5, Block: 1, Codes: make([]byte, 1), Absmax: []float32{1}}},
		{"signs: a[1] is NaN", &Signs{2, 1, make([]byte, 1), []uint16{0, nan}, []uint16{0}}},
		{"partial: bytes of high: 1, want 2", &Partial{1, 2, []byte{3}, []byte{0}, []byte{0}, []uint16{0}, []byte{0}, []uint16{0, 0}}},
		{"binary: mask of row 0, column 0: pattern 28, want below 28", &Binary{1, 8, 8, 2, 2, []byte{0}, []byte{0}, nil, []byte{0}, []byte{28}, make([]uint16, 7)}},
		{"binary: scalars[6] is +Inf", &Binary{1, 1, 1, 2, 8, []byte{0}, []byte{0}, nil, []byte{0}, nil, []uint16{0, 0, 0, 0, 0, 0, 0x7c00}}},
		{"binary: block: 12 columns", &Binary{1, 8, 12, 2, 4, nil, nil, nil, nil, nil, nil}},
		{"sparse: start[1]: 2 after 0", &Sparse{2, 4, []uint32{0, 2, 1}, []uint32{1}, []uint16{0}}},
		{"sparse: start: from 1 to 1", &Sparse{1, 4, []uint32{1, 1}, []uint32{1}, []uint16{0}}},
		{"sparse: columns[1]: 1 in row 0, want ascending columns below 4", &Sparse{1, 4, []uint32{0, 2}, []uint32{1, 1}, []uint16{0, 0}}},
		{"sparse: columns[0]: 4 in row 0", &Sparse{1, 4, []uint32{0, 1}, []uint32{4}, []uint16{0}}},
		{"sparse: values[0] is NaN", &Sparse{1, 4, []uint32{0, 1}, []uint32{3}, []uint16{nan}}},
		{"sum: 1 terms, want 2 to 8", &Sum{[]Weight{&LowRank{1, 1, 1, []uint16{0}, []uint16{0}}}}},
		{"sum: term 1 is 1×2, the first 1×1", &Sum{[]Weight{&LowRank{1, 1, 1, []uint16{0}, []uint16{0}}, &LowRank{1, 2, 1, []uint16{0}, []uint16{0, 0}}}}},
		{"sum: term 0: lowrank: v[0] is NaN", &Sum{[]Weight{&LowRank{1, 1, 1, []uint16{0}, []uint16{nan}}, &LowRank{1, 1, 1, []uint16{0}, []uint16{0}}}}},
	} {
		if err := c.w.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
