package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

func seq(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

var written = []Tensor{
	{"odd", "U8", []int{3}, seq(3)},
	{"seeds", "U64", []int{2}, seq(16)},
	{"b", "F16", []int{1, 3}, seq(6)},
	{"a \"quoted\" ü", "F16", []int{2}, seq(4)},
	{"f", "F32", nil, seq(4)},
	{"none", "U8", []int{0, 5}, nil},
}

func TestWriteRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	meta := map[string]string{"z": "1", "a": "2"}
	if err := Write(path, written, meta); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Names()) != len(written) || !reflect.DeepEqual(f.Metadata(), meta) {
		t.Errorf("names %q, metadata %v", f.Names(), f.Metadata())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range written {
		got, _ := f.Tensor(w.Name)
		if got.DType != w.DType || len(got.Shape) != len(w.Shape) || !bytes.Equal(got.Data, w.Data) {
			t.Errorf("got %+v, want %+v", got, w)
		}
		if size := dtypeSize(w.DType); len(w.Data) > 0 && uintptr(unsafe.Pointer(&got.Data[0]))%uintptr(size) != 0 {
			t.Errorf("%s: the map's values are not aligned to %d bytes", w.Name, size)
		}
	}
	// Another order of the same tensors gives the same bytes.
	var again bytes.Buffer
	back := []Tensor{written[4], written[5], written[2], written[0], written[3], written[1]}
	if n, err := WriteTo(&again, back, meta); err != nil || n != int64(len(raw)) {
		t.Errorf("%d bytes, %v, want %d", n, err, len(raw))
	}
	if !bytes.Equal(raw, again.Bytes()) {
		t.Error("the order of the arguments changes the bytes")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestWriteHeader pins the bytes of a small file.
func TestWriteHeader(t *testing.T) {
	var b bytes.Buffer
	ts := []Tensor{{"x", "U8", []int{1}, []byte{7}}, {"y", "F16", []int{1}, []byte{1, 2}}}
	if _, err := WriteTo(&b, ts, nil); err != nil {
		t.Fatal(err)
	}
	want := `{"y":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"x":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`
	for len(want)%8 != 0 {
		want += " "
	}
	if got := b.String()[8:]; got != want+"\x01\x02\x07" {
		t.Errorf("got %q", got)
	}
}

func TestWriteFaults(t *testing.T) {
	for _, c := range []struct {
		want string
		ts   []Tensor
	}{
		{`tensor "a": the name is taken`, []Tensor{{"a", "U8", []int{1}, []byte{1}}, {"a", "U8", []int{1}, []byte{1}}}},
		{`tensor "__metadata__": the name is taken`, []Tensor{{"__metadata__", "U8", []int{0}, nil}}},
		{`tensor "a": 1 bytes, want 2 for F16 [1]`, []Tensor{{"a", "F16", []int{1}, []byte{1}}}},
		{`tensor "a": dtype "Q4"`, []Tensor{{"a", "Q4", []int{1}, []byte{1}}}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "w.safetensors")
		err := Write(path, c.ts, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if err := Write(filepath.Join(t.TempDir(), "absent", "w"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		defer f.Close()
		if _, err := WriteTo(f, written, nil); err == nil || !strings.Contains(err.Error(), "/dev/full: no space left") {
			t.Errorf("a full disk: %v", err)
		}
	}
}

func TestCheckpointFaults(t *testing.T) {
	u8 := func(name string) Tensor { return Tensor{name, "U8", []int{1}, []byte{1}} }
	for _, c := range []struct {
		name   string
		shards map[string][]Tensor
		index  string
		want   []string
	}{
		{"nothing", nil, "", []string{"neither model.safetensors nor model.safetensors.index.json"}},
		{"bad index", nil, `{"weight_map":`, []string{IndexFile, "unexpected end"}},
		{"no map", nil, `{}`, []string{`no "weight_map"`}},
		{"empty map", nil, `{"weight_map":{}}`, []string{"names no tensor"}},
		{"path", nil, `{"weight_map":{"a":"../x"}}`, []string{`"a": file name "../x", want one in the same folder`}},
		{"duplicate", nil, `{"weight_map":{"a":"1","a":"1"}}`, []string{`duplicate name "a"`}},
		{"missing shards", nil, `{"weight_map":{"a":"s1","b":"s2"}}`, []string{"s1", "s2", `such as "a"`, `such as "b"`}},
		{"not in its shard", map[string][]Tensor{"s1": {u8("a")}}, `{"weight_map":{"a":"s1","b":"s1"}}`,
			[]string{`s1: tensor "b" is not there`}},
		{"not in the index", map[string][]Tensor{"s1": {u8("a"), u8("c")}}, `{"weight_map":{"a":"s1"}}`,
			[]string{`s1: tensor "c" is not in model.safetensors.index.json`}},
		{"in two", map[string][]Tensor{"s1": {u8("a")}, "s2": {u8("a"), u8("b")}}, `{"weight_map":{"a":"s1","b":"s2"}}`,
			[]string{`s2: tensor "a" is there, but model.safetensors.index.json says that it is in s1`}},
	} {
		dir := t.TempDir()
		for name, ts := range c.shards {
			if err := Write(filepath.Join(dir, name), ts, nil); err != nil {
				t.Fatal(err)
			}
		}
		if c.index != "" {
			if err := os.WriteFile(filepath.Join(dir, IndexFile), []byte(c.index), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := OpenCheckpoint(dir)
		if err == nil {
			t.Errorf("%s: passed", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.name, err, want)
			}
		}
	}
}

func TestCheckpointShards(t *testing.T) {
	dir := t.TempDir()
	x := Tensor{"a", "U8", []int{2}, []byte{1, 2}}
	y := Tensor{"b", "U8", []int{1}, []byte{3}}
	weightMap := map[string]string{"a": "s1", "b": "s2"}
	for name, ts := range map[string][]Tensor{"s1": {x}, "s2": {y}} {
		if err := Write(filepath.Join(dir, name), ts, nil); err != nil {
			t.Fatal(err)
		}
	}
	index, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 3}, "weight_map": weightMap})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, IndexFile), index, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Tensor{x, y} {
		if got, ok := c.Tensor(want.Name); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, ok := c.Tensor("c"); ok || len(c.Files()) != 2 || len(c.Names()) != 2 {
		t.Errorf("files %d, names %v", len(c.Files()), c.Names())
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	f1, _ := Parse("one", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))
	f2, _ := Parse("two", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))
	if _, err := NewCheckpoint(f1, f2); err == nil || err.Error() != `tensor "a" is in one and in two` {
		t.Errorf("a tensor in two files: %v", err)
	}
}
