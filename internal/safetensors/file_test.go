package safetensors

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/sharedtest"
)

// file returns header and data as a safetensors file.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestParse(t *testing.T) {
	b := file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]},`+
		`"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"e":{"dtype":"U8","shape":[3,0],"data_offsets":[12,12]}}  `, 12)
	copy(b[len(b)-12:], []byte{0x80, 0x3f, 0, 0x40, 0, 0xc0, 0, 0})
	f, err := Parse("x", b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Names(), []string{"a", "b", "e"}) || f.Metadata()["format"] != "pt" {
		t.Errorf("names %v, metadata %v", f.Names(), f.Metadata())
	}
	a, ok := f.Tensor("a")
	got := make([]float32, 4)
	if err := a.Float32(got); !ok || err != nil || !slices.Equal(got, []float32{1, 2, -2, 0}) {
		t.Errorf("a = %v, %v, %v", got, ok, err)
	}
	if err := a.Float32(got[:3]); err == nil {
		t.Error("a short slice passed")
	}
	if e, _ := f.Tensor("e"); e.Float32(nil) == nil {
		t.Error("U8 widened")
	}
	if s, _ := f.Tensor("b"); s.Len() != 1 || len(s.Shape) != 0 {
		t.Errorf("scalar %+v", s)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestParseMalformed(t *testing.T) {
	huge := binary.LittleEndian.AppendUint64(nil, MaxHeader+1)
	one := func(dtype, shape, offsets string) string {
		return `{"w":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}}`
	}
	two := func(a, b string) string {
		return `{"w":{"dtype":"U8","shape":[4],"data_offsets":` + a + `},"v":{"dtype":"U8","shape":[4],"data_offsets":` + b + `}}`
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "truncated: 0 bytes, want at least 8"},
		{"huge header", append(huge, '{'), "header of 104857601 bytes, want at most 104857600"},
		{"impossible header", []byte{255, 255, 255, 255, 255, 255, 255, 255}, "header of 18446744073709551615 bytes"},
		{"header cut", file(`{"w":{}}`, 0)[:12], "truncated: header of 8 bytes in a file of 12"},
		{"no JSON", file(`hello`, 0), "header: invalid character 'h'"},
		{"array", file(`[1]`, 0), "header: got [, want a JSON object"},
		{"JSON cut", file(`{"w":{"dtype":"U8"`, 0), `header: "w": the JSON is cut short`},
		{"text behind", file(`{}{}`, 0), "header: text behind the closing brace"},
		{"no fields", file(`{"w":{}}`, 0), `header: "w": want "dtype", "shape"`},
		{"one offset", file(one("U8", "[1]", "[0]"), 1), `header: "w": want "dtype", "shape"`},
		{"dtype", file(one("F8_E4M3", "[1]", "[0,1]"), 1), `tensor "w": dtype "F8_E4M3", want one of F64`},
		{"negative dimension", file(one("U8", "[2,-1]", "[0,0]"), 0), `tensor "w": shape[1] is -1`},
		{"overflow of a number", file(one("U8", "[99999999999999999999]", "[0,0]"), 0), `header: "w": json: cannot unmarshal number`},
		{"fraction", file(one("U8", "[1.5]", "[0,1]"), 1), `header: "w": json: cannot unmarshal number`},
		{"overflow of the product", file(one("F32", "[4294967296,4294967296]", "[0,0]"), 0), `tensor "w": shape [4294967296 4294967296] of F32 has more bytes`},
		{"size", file(one("F32", "[2]", "[0,4]"), 4), `tensor "w": 4 bytes at data_offsets [0 4], want 8 for F32 [2]`},
		{"data cut", file(one("U8", "[8]", "[0,8]"), 5), `tensor "w": truncated: data_offsets [0 8] in 5 bytes of data`},
		{"backwards", file(one("U8", "[0]", "[2,1]"), 4), `tensor "w": data_offsets [2 1], want 0`},
		{"negative offset", file(one("U8", "[1]", "[-1,0]"), 4), `tensor "w": data_offsets [-1 0], want 0`},
		{"trailing", file(one("U8", "[1]", "[0,1]"), 4), `3 trailing bytes behind the last tensor "w"`},
		{"overlap", file(two("[0,4]", "[2,6]"), 6), `tensor "v" at data_offsets [2 6] overlaps tensor "w"`},
		{"twice", file(two("[0,4]", "[0,4]"), 4), `overlaps tensor "v"`},
		{"hole", file(two("[0,4]", "[5,9]"), 9), `hole of 1 bytes before tensor "v"`},
		{"hole at the start", file(one("U8", "[1]", "[3,4]"), 4), `hole of 3 bytes before tensor "w"`},
		{"duplicate", file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `header: duplicate name "w"`},
	} {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		if err := os.WriteFile(path, c.b, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err == nil {
			t.Errorf("%s: passed: %v", c.name, f.Names())
			continue
		}
		if !strings.HasPrefix(err.Error(), path+": "+c.want) && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v does not begin with the path", c.name, err)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file opened")
	}
}

// TestReferenceFiles opens what transformers and safetensors' own writers
// made: counts and one shape per architecture as config.json has them.
func TestReferenceFiles(t *testing.T) {
	for _, c := range []struct {
		dir   string
		dtype string
	}{
		{"llama-tied", "F32"},
		{"llama-bf16", "BF16"},
		{"llama-f16", "F16"},
		{"llama-sharded", "F32"},
	} {
		ckpt, err := OpenCheckpoint(sharedtest.Dir(t, "reference", "architectures", c.dir))
		if err != nil {
			t.Fatal(err)
		}
		defer ckpt.Close()
		e, ok := ckpt.Tensor("model.embed_tokens.weight")
		if !ok || e.DType != c.dtype || len(e.Shape) != 2 {
			t.Errorf("%s: embeddings %s %v, want %s", c.dir, e.DType, e.Shape, c.dtype)
			continue
		}
		// Embeddings are drawn from N(0, .3²) (reference/README.md 1): the
		// mean square of n > 10,000 draws is within 10 % of .09 (7 standard
		// deviations, √(2/n) each).
		v := make([]float32, e.Len())
		if err := e.Float32(v); err != nil {
			t.Fatal(err)
		}
		var s float64
		for _, x := range v {
			s += float64(x) * float64(x)
		}
		if ms := s / float64(len(v)); len(v) < 10000 || ms < 0.081 || ms > 0.099 {
			t.Errorf("%s: %d embedding values of mean square %v, want about 0.09", c.dir, len(v), ms)
		}
		for _, name := range ckpt.Names() {
			x, _ := ckpt.Tensor(name)
			if i, bad := x.FirstNonFinite(); bad {
				t.Errorf("%s: %s[%d] is not finite", c.dir, name, i)
			}
		}
	}
	paths, err := filepath.Glob(filepath.Join(sharedtest.Dir(t, "reference"), "*", "*.safetensors"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d reference files, %v", len(paths), err)
	}
	for _, p := range paths {
		f, err := Open(p)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(f.Names()) == 0 {
			t.Errorf("%s: no tensors", p)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
