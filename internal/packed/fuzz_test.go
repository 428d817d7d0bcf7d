package packed

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// fuzzParts are the names that the fuzzed parts may have, in the order of
// their bytes in an input.
var fuzzParts = []string{"", "codes", "scale", "zero", "table", "u", "v", "cells", "seeds", "class", "sizes", "signs", "index", "absmax", "absmax_codes", "absmax2", "offset",
	"minus", "low", "high", "salient", "mask", "scalars", "scales", "base", "addresses", "rest", "a", "b", "other"}

// input is a stored weight in the form of the arguments of FuzzFromParts: kind
// and meta as JSON, and for each part of fuzzParts a type and shape as JSON
// and its data.
func input(w Weight) (kind string, meta, heads, data []byte) {
	parts := partMap(w)
	all := map[string]fuzzHead{}
	for _, name := range fuzzParts {
		if p, ok := parts[name]; ok {
			all[name] = fuzzHead{p.DType, p.Shape, len(p.Data)}
			data = append(data, p.Data...)
		}
	}
	return string(w.Kind()), must(json.Marshal(MetaOf(w))), must(json.Marshal(all)), data
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// A fuzzHead describes a part of Bytes bytes.
type fuzzHead struct {
	DType string
	Shape []int
	Bytes int
}

// cutParts makes parts of an input; the last one that is too long takes what
// is left.
func cutParts(heads, data []byte) (map[string]Part, bool) {
	var all map[string]fuzzHead
	if json.Unmarshal(heads, &all) != nil {
		return nil, false
	}
	parts := map[string]Part{}
	for _, name := range fuzzParts {
		if h, ok := all[name]; ok {
			n := min(max(h.Bytes, 0), len(data))
			parts[name] = Part{Name: name, DType: h.DType, Shape: h.Shape, Data: data[:n:n]}
			data = data[n:]
		}
	}
	return parts, true
}

// FuzzFromParts makes weights of made-up meta and parts: the answer is an
// error, or a weight that keeps its invariants, stores what it was made of and
// can be read in full.
func FuzzFromParts(f *testing.F) {
	for _, w := range samples() {
		kind, meta, heads, data := input(w)
		f.Add(kind, meta, heads, data)
	}
	lie := func(kind Kind, meta Meta, heads string, data ...byte) {
		f.Add(string(kind), must(json.Marshal(meta)), []byte(heads), data)
	}
	const most = math.MaxInt32
	lie(KindDense, Meta{Out: most, In: most, DType: "F32"}, `{"":{"DType":"F32","Shape":[2147483647,2147483647],"Bytes":4}}`, 0, 0, 0, 0)
	lie(KindDense, Meta{Out: -1, In: -1, DType: "F16"}, `{"":{"DType":"F16","Shape":[-1,-1],"Bytes":2}}`, 0, 0)
	lie(KindGrid, Meta{Out: 1, In: most, Bits: 8, Group: 1}, `{"codes":{"DType":"U8","Shape":[1,2147483647],"Bytes":1}}`, 0)
	lie(KindGrid, Meta{Out: 1, In: 1, Bits: 3, Group: most, Symmetric: true}, `{"codes":{"DType":"U8","Shape":[1,1],"Bytes":1},"scale":{"DType":"F16","Shape":[1,1],"Bytes":2}}`, 0, 0, 0)
	lie(KindCodebook, Meta{Out: most, In: most, Bits: 63, Group: -1}, `{}`)
	lie(KindLowRank, Meta{Out: 1, In: 1, Rank: math.MaxInt64}, `{"u":{"DType":"F16","Shape":[1,0],"Bytes":0}}`)
	lie(KindCells, Meta{Out: 1, In: most, Rows: 1, Reading: "A"}, `{"class":{"DType":"U8","Shape":[1],"Bytes":1}}`, 255)
	lie(KindCells, Meta{Out: 1, In: 1, Rows: 1, Reading: "C"}, `{"cells":{"DType":"F16","Shape":[1,1],"Bytes":2},"seeds":{"DType":"U64","Shape":[1],"Bytes":8},`+
		`"class":{"DType":"U8","Shape":[1],"Bytes":1},"sizes":{"DType":"U32","Shape":[2],"Bytes":8}}`,
		0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 255, 255, 255, 255, 2, 0, 0, 0)
	lie(KindHashed, Meta{Out: 1, In: 1}, `{}`)
	lie(KindSparse, Meta{Out: most, In: 1}, `{"start":{"DType":"U32","Shape":[1],"Bytes":4}}`, 0, 0, 0, 0)
	lie(KindSum, Meta{Out: 1, In: 1}, `{}`)
	lie(KindSum, Meta{Out: 1, In: 1, Terms: []SumMeta{{KindSum, Meta{Terms: []SumMeta{{KindSum, Meta{}}}}}, {KindLowRank, Meta{Out: most, In: most, Rank: 1}}}}, `{}`)
	lie(KindSum, Meta{Out: 1, In: 1, Terms: make([]SumMeta, 9)}, `{}`)
	lie(KindHashed, Meta{Out: 1, In: 1, Hashed: &HashedMeta{Rows: math.MaxInt64, Size: most, Addressing: AddressWeights, Combine: CombineMin, Sign: SignHash}}, `{}`)
	lie(KindHashed, Meta{Out: most, In: most, Hashed: &HashedMeta{Rows: 1, Size: 2, Addressing: AddressTiles, TileIn: most, TileOut: most, Combine: CombineSingle, Sign: SignNone}},
		`{"cells":{"DType":"F16","Shape":[1,2],"Bytes":4},"seeds":{"DType":"U64","Shape":[4],"Bytes":32}}`, make([]byte, 36)...)
	f.Fuzz(func(t *testing.T, kind string, meta, heads, data []byte) {
		var m Meta
		parts, ok := cutParts(heads, data)
		if !ok || json.Unmarshal(meta, &m) != nil {
			return
		}
		checkFromParts(t, Kind(kind), m, parts)
	})
}

// readMost bounds the values that checkFromParts reads of one weight: cells
// make any number of weights of few bytes, which is what they are for.
const readMost = 1 << 20

// stored returns the bytes of all parts, also of those that are shared.
func stored(w Weight) int64 { return bytesOf(w.Parts()) }

func checkFromParts(t *testing.T, kind Kind, m Meta, parts map[string]Part) {
	size := 0
	for _, p := range parts {
		size += len(p.Data)
	}
	var w Weight
	var err error
	fuzztest.Bounded(t, size, func() { w, err = FromParts(kind, m, parts) })
	if err != nil {
		return
	}
	out, in := w.Dims()
	if w.Kind() != kind || !reflect.DeepEqual(MetaOf(w), m) || out != m.Out || in != m.In || stored(w) != int64(size) {
		t.Errorf("%s %+v of %d bytes became %s %+v of %d bytes", kind, m, size, w.Kind(), MetaOf(w), stored(w))
	}
	if err := w.Check(); err != nil {
		t.Errorf("%s %+v: %v", kind, m, err)
	}
	if in > readMost {
		return
	}
	rows := min(out, readMost/in)
	dst := make([]float32, rows*in)
	fuzztest.Bounded(t, size, func() {
		w.Dequantize(dst, 0, rows)
		w.Dequantize(dst, out-rows, out)
	})
	if kind == KindDense { // values are those of the source, whatever they are
		return
	}
	for i, x := range dst {
		if x != x && kind != KindLowRank || kind != KindLowRank && math.IsInf(float64(x), 0) {
			t.Errorf("%s %+v: weight %d is %v", kind, m, i, x)
			break
		}
	}
}

// TestFromPartsLarge bounds what a weight of megabytes costs.
func TestFromPartsLarge(t *testing.T) {
	part := func(dtype string, data []byte, shape ...int) Part {
		return Part{DType: dtype, Shape: shape, Data: data}
	}
	const n = 1 << 23
	odd := make([]byte, n+1)[1:] // no 16-bit values can be read in place there
	checkFromParts(t, KindLowRank, Meta{Out: n / 4, In: n / 4, Rank: 1}, map[string]Part{
		"u": part("F16", odd[:n/2], n/4, 1), "v": part("F16", odd[n/2:], 1, n/4)})
	checkFromParts(t, KindGrid, Meta{Out: n / 4, In: 1, Bits: 2, Group: 1, Symmetric: true}, map[string]Part{
		"codes": part("U8", make([]byte, n/4), n/4, 1), "scale": part("F16", odd[:n/2], n/4, 1)})
	class := make([]byte, 3<<20)
	checkFromParts(t, KindCells, Meta{Out: 1, In: 8 << 20, Rows: 1, Reading: "A"}, map[string]Part{
		"cells": part("F16", []byte{0, 0}, 1, 1), "seeds": part("U64", make([]byte, 8), 1),
		"class": part("U8", class, len(class)), "sizes": part("U32", binary.LittleEndian.AppendUint32(nil, 1), 1)})
	checkFromParts(t, KindCells, Meta{Out: 1, In: 1, Rows: 1, Reading: "A"}, map[string]Part{
		"seeds": part("U64", make([]byte, n), n/8), "sizes": part("U32", make([]byte, n), n/4), "class": part("U8", []byte{0}, 1)})
}
