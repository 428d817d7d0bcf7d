package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/results"
)

// linears lists the linear layers of the model in a folder.
func linears(t *testing.T, dir string) (list []model.LinearSpec) {
	t.Helper()
	cfg, err := model.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	for layer := range cfg.Layers {
		list = append(list, cfg.Linears(layer)...)
	}
	return list
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// writeGPTQ makes a folder of random 4-bit GPTQ weights in groups of 32.
func writeGPTQ(t *testing.T, dir string, specs []model.LinearSpec) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	var tensors []safetensors.Tensor
	for _, s := range specs {
		base, groups := strings.TrimSuffix(s.Name, ".weight"), s.In/32
		tensors = append(tensors,
			safetensors.Tensor{Name: base + ".qweight", DType: "I32", Shape: []int{s.In / 8, s.Out}, Data: randomBytes(rng, s.In*s.Out/2)},
			safetensors.Tensor{Name: base + ".qzeros", DType: "I32", Shape: []int{groups, s.Out / 8}, Data: randomBytes(rng, groups*s.Out/2)},
			safetensors.Tensor{Name: base + ".scales", DType: "F16", Shape: []int{groups, s.Out}, Data: bytes.Repeat([]byte{0, 0x20}, groups*s.Out)}) // 2^-7
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(filepath.Join(dir, safetensors.SingleFile), tensors, nil); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "quantize_config.json"), []byte(`{"bits": 4, "group_size": 32, "desc_act": false}`))
}

// writeSketches makes a file of torch.save with random 4-bit sketches of so
// many groups per row, or with their tables alone: protocol 2, as torch writes
// it, without its memo.
func writeSketches(t *testing.T, path string, specs []model.LinearSpec, groups int, tablesOnly bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	var program, archive bytes.Buffer
	z := zip.NewWriter(&archive)
	store := func(name string, b []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(s string) {
		program.WriteByte('X')
		program.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
		program.WriteString(s)
	}
	number := func(n int) { program.Write(binary.LittleEndian.AppendUint32([]byte{'J'}, uint32(n))) }
	key := 0
	tensor := func(class string, data []byte, size int, shape ...int) {
		program.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
		text("storage")
		program.WriteString("ctorch\n" + class + "\n")
		text(fmt.Sprint(key))
		text("cpu")
		number(len(data) / size)
		program.WriteString("tQ")
		number(0)
		for _, list := range [][]int{shape, {shape[1] * shape[2], shape[2], 1}} {
			program.WriteByte('(')
			for _, n := range list {
				number(n)
			}
			program.WriteByte('t')
		}
		program.WriteString("\x89ccollections\nOrderedDict\n)RtR")
		store(fmt.Sprintf("data/%d", key), data)
		key++
	}
	program.WriteString("\x80\x02}(")
	for _, s := range specs {
		text(strings.TrimSuffix(s.Name, ".weight"))
		table := randomBytes(rng, 2*s.Out*groups*16)
		for i := 1; i < len(table); i += 2 {
			table[i] &= 0xa7 // below 2^-5
		}
		tensor("HalfStorage", table, 2, s.Out, groups, 16)
		if !tablesOnly {
			tensor("ByteStorage", randomBytes(rng, s.Out*s.In/2), 1, s.Out, groups, s.In/groups/2)
			program.WriteByte(0x86) // the pair of both
		}
	}
	program.WriteString("u.")
	store("data.pkl", program.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, path, archive.Bytes())
}

// TestImportScenario runs the scenario of docs/methods.md 4.11 on files of the
// tiny model, and exports one of its cases.
func TestImportScenario(t *testing.T) {
	doc := string(read(t, filepath.Join(moduleRoot, "docs/methods.md")))
	text := regexp.MustCompile("(?s)```yaml\n(name: theirs-and-ours\n.*?)```").FindStringSubmatch(doc)
	if text == nil {
		t.Fatal("docs/methods.md shows no scenario theirs-and-ours")
	}
	dir := t.TempDir()
	at := func(path string) string { return filepath.Join(dir, path) }
	copyTiny(t, at("models/llama-3-8b"))
	specs := linears(t, at("models/llama-3-8b"))
	writeGPTQ(t, at("models/llama-3-8b-gptq-4bit-128g"), specs)
	writeSketches(t, at("models/llama-3-8b_gpr4.pkl"), specs, 4, false)
	writeSketches(t, at("work/outs/epoch_3/sketched_params.pkl"), specs, 4, true)
	write(t, at("work/x.yaml"), []byte(text[1]))
	t.Chdir(at("work"))
	if o := command(dir, nil, "plan", "x.yaml"); o.code != 0 || strings.Count(o.stdout, "match=import") != 2 {
		t.Fatalf("plan ends with %d:\n%s%s", o.code, o.stdout, o.stderr)
	}
	if o := command(dir, nil, "run", "x.yaml", "--cases", "import*", "-q"); o.code != 0 {
		t.Fatalf("run ends with %d:\n%s%s", o.code, o.stdout, o.stderr)
	}
	recs, err := results.ReadFiles("theirs-and-ours.records.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	// Stored bits: 4 + (16 + 4)/32, and 4 + 16·16·4·(rows)/(weights).
	var weights, rows float64
	for _, s := range specs {
		weights += float64(s.Out) * float64(s.In)
		rows += float64(s.Out)
	}
	want := map[float64]bool{weights * (4 + 20./32) / 8: true, (weights*4 + 16*16*4*rows) / 8: true}
	found := 0
	for _, r := range recs {
		if r.Metric == "stored_bytes" && r.Item == "linear" {
			if !want[r.Value] {
				t.Errorf("%s stores %v bytes, want one of %v", r.Case, r.Value, want)
			}
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d cases with stored bytes, want 2", found)
	}
	if o := command(dir, nil, "export", "x.yaml", "--case", "import*trained*", "-o", "theirs", "-q"); o.code != 0 {
		t.Errorf("export ends with %d:\n%s", o.code, o.stderr)
	}
	if _, err := os.Stat("theirs/model.safetensors"); err != nil {
		t.Error(err)
	}
}
