package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// FuzzParse reads made-up files: the answer is an error that names the file,
// or tensors that lie within the bytes, each byte once, and that a file written
// from them holds again.
func FuzzParse(f *testing.F) {
	one := func(dtype, shape, offsets string, data int) []byte {
		return file(`{"w":{"dtype":"`+dtype+`","shape":`+shape+`,"data_offsets":`+offsets+`}}`, data)
	}
	f.Add(file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}`, 5))
	f.Add(file(`{"__metadata__":{"k":"v"}}`, 0))
	f.Add(file(`{"__metadata__":{"k":"v"},"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"I8","shape":[0,7],"data_offsets":[8,8]}}   `, 8))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127, '{', '}'})
	f.Add(binary.LittleEndian.AppendUint64(nil, MaxHeader))
	f.Add(one("F32", "[4294967296,4294967296]", "[0,0]", 0))
	f.Add(one("U8", "[9223372036854775807]", "[0,9223372036854775807]", 3))
	f.Add(one("U8", "[-1]", "[0,-1]", 0))
	f.Add(one("U8", "[NaN]", "[0,1]", 1))
	f.Add(one("U8", "[1e1]", "[0,10]", 10))
	f.Add(one("U8", "null", "[0,1]", 1))
	f.Add(file(`{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"v":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6))
	f.Add(file(`{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"w":[[[[[[]]]]]]}}`, 4))
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, b []byte) {
	var s *File
	var err error
	fuzztest.Bounded(t, len(b), func() { s, err = Parse("dir/f.safetensors", b) })
	if err != nil {
		if !strings.HasPrefix(err.Error(), "dir/f.safetensors: ") {
			t.Errorf("the error does not name the file: %v", err)
		}
		return
	}
	var tensors []Tensor
	total := 0
	for _, name := range s.Names() {
		x, _ := s.Tensor(name)
		if size, err := byteSize(x.DType, x.Shape); err != nil || size != len(x.Data) {
			t.Errorf("%s: %s %v in %d bytes, %v", name, x.DType, x.Shape, len(x.Data), err)
		}
		total += len(x.Data)
		x.FirstNonFinite()
		_ = x.Float32(make([]float32, x.Len()))
		tensors = append(tensors, x)
	}
	if header := binary.LittleEndian.Uint64(b); uint64(total)+header+8 != uint64(len(b)) {
		t.Errorf("%d bytes of tensors and %d of header in a file of %d", total, header, len(b))
	}
	checkAgain(t, tensors, s.Metadata())
}

// checkAgain writes tensors and reads them back.
func checkAgain(t *testing.T, tensors []Tensor, metadata map[string]string) {
	var buf bytes.Buffer
	if _, err := WriteTo(&buf, tensors, metadata); err != nil {
		t.Errorf("what was read cannot be written: %v", err)
		return
	}
	s, err := Parse("again", buf.Bytes())
	if err != nil {
		t.Errorf("what was written cannot be read: %v", err)
		return
	}
	if len(s.Names()) != len(tensors) || !maps.Equal(s.Metadata(), metadata) {
		t.Errorf("%d tensors and %q became %d and %q", len(tensors), metadata, len(s.Names()), s.Metadata())
	}
	for _, x := range tensors {
		y, _ := s.Tensor(x.Name)
		if x.DType != y.DType || !slices.Equal(x.Shape, y.Shape) || !bytes.Equal(x.Data, y.Data) {
			t.Errorf("%v became %v", x, y)
		}
	}
}

// TestParseLarge bounds what headers of some megabytes cost that say little in
// many words.
func TestParseLarge(t *testing.T) {
	var many strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&many, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
	}
	for name, header := range map[string]string{
		"many tensors": "{" + many.String()[1:] + "}",
		"long shape":   `{"w":{"dtype":"U8","shape":[0` + strings.Repeat(",1", 1<<20) + `],"data_offsets":[0,0]}}`,
		"long offsets": `{"w":{"dtype":"U8","shape":[0],"data_offsets":[0` + strings.Repeat(",1", 1<<20) + `]}}`,
		"deep":         `{"w":` + strings.Repeat("[", 1<<20),
		"long name":    `{"` + strings.Repeat(`\u0001`, 1<<18) + `":{}}`,
		"metadata":     `{"__metadata__":{` + strings.Repeat(`"":"",`, 1<<18) + `"":""}}`,
	} {
		t.Run(name, func(t *testing.T) { checkParse(t, file(header, 0)) })
	}
}

// FuzzIndex opens a folder of two files with a made-up index.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":5},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"1.safetensors","a":"1.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../1.safetensors","b":"/etc/passwd","c":"..","d":"","e":"x\u0000y"}}`))
	f.Add([]byte(`{"weight_map":{"a":null}}`))
	f.Add([]byte(`{"weight_map":{}}`))
	f.Add([]byte(`{"weight_map":[1]}`))
	f.Add([]byte(`{"weight_map":{"a":".","b":"absent.safetensors"}}`))
	f.Add([]byte(`{"WEIGHT_MAP":{"a":"1.safetensors"}} {}`))
	dir := indexFolder(f)
	f.Fuzz(func(t *testing.T, b []byte) { checkIndex(t, dir, b) })
}

// indexFolder makes a folder with tensor a in 1.safetensors and b in
// 2.safetensors.
func indexFolder(tb testing.TB) string {
	dir := tb.TempDir()
	for i, name := range []string{"a", "b"} {
		x := Tensor{Name: name, DType: "F16", Shape: []int{1, 2}, Data: []byte{0, 60, 0, 64}}
		if err := Write(filepath.Join(dir, fmt.Sprintf("%d.safetensors", i+1)), []Tensor{x}, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func checkIndex(t *testing.T, dir string, b []byte) {
	if err := os.WriteFile(filepath.Join(dir, IndexFile), b, 0o644); err != nil {
		t.Fatal(err)
	}
	var c *Checkpoint
	var err error
	fuzztest.Bounded(t, len(b), func() { c, err = OpenCheckpoint(dir) })
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.Contains(line, dir) {
				t.Errorf("the error does not name the file: %v", line)
			}
		}
		return
	}
	home := map[string]string{"a": "1.safetensors", "b": "2.safetensors"}
	for _, name := range c.Names() {
		if x, ok := c.Tensor(name); !ok || home[name] == "" || len(x.Data) != 4 {
			t.Errorf("%s: tensor %q: %v, %v", b, name, x, ok)
		}
		if !bytes.Contains(b, []byte(home[name])) && !bytes.ContainsRune(b, '\\') {
			t.Errorf("%s: tensor %q is not in a file that the index names", b, name)
		}
	}
	if len(c.Names()) == 0 || len(c.Names()) != len(c.Files()) {
		t.Errorf("%s: names %v of %d files", b, c.Names(), len(c.Files()))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestIndexLarge bounds what a long index costs.
func TestIndexLarge(t *testing.T) {
	var absent, there strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&absent, `,"%d":"%d"`, i, i)
		fmt.Fprintf(&there, `,"%d":"1.safetensors"`, i)
	}
	for name, m := range map[string]string{"absent files": absent.String(), "absent tensors": there.String()} {
		t.Run(name, func(t *testing.T) {
			checkIndex(t, indexFolder(t), []byte(`{"weight_map":{`+m[1:]+`}}`))
		})
	}
}
