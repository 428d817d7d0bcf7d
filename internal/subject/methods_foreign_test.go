package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/foreign"
	"github.com/sketchbench/sketchbench/internal/model"
	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

var foreignFixtures = []fixture{
	{method: "import", decode: map[string]string{"path": "a/folder", "format": "gptq", "trained": "a/file"}},
	{method: "external", decode: map[string]string{"path": "a/folder", "bits": "2.5bpw", "declared": "bytes.json"}},
}

// writeFiles makes a folder.
func writeFiles(t testing.TB, files map[string][]byte, tensors ...safetensors.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := safetensors.Write(filepath.Join(dir, safetensors.SingleFile), tensors, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// plainInFolder says which linear layers gptqFolder leaves in bf16: the first,
// and those of sides that 4-bit words do not hold.
func plainInFolder(s model.LinearSpec) bool {
	return s.Name == "model.layers.0.self_attn.q_proj.weight" || s.In%32 != 0 || s.Out%8 != 0
}

// gptqFolder makes 4-bit GPTQ weights in groups of 32, and another final norm.
func gptqFolder(t testing.TB, cfg model.Config) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	var tensors []safetensors.Tensor
	add := func(name, dtype string, data []byte, shape ...int) {
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: dtype, Shape: shape, Data: data})
	}
	for layer := range cfg.Layers {
		for _, s := range cfg.Linears(layer) {
			if plainInFolder(s) {
				add(s.Name, "BF16", packed.RandomBF16(rng, s.Out*s.In), s.Out, s.In)
				continue
			}
			base, groups := strings.TrimSuffix(s.Name, ".weight"), s.In/32
			scales := make([]byte, 2*groups*s.Out)
			for k := range groups * s.Out {
				scales[2*k], scales[2*k+1] = byte(rng.Uint32()), 0x24 // about 2^-6
			}
			add(base+".qweight", "I32", fill(s.In*s.Out/2), s.In/8, s.Out)
			add(base+".qzeros", "I32", fill(groups*s.Out/2), groups, s.Out/8)
			add(base+".scales", "F16", scales, groups, s.Out)
		}
	}
	add(model.FinalNormName, "BF16", bytes.Repeat([]byte{0, 0x3f}, cfg.HiddenSize), cfg.HiddenSize)
	config := []byte(`{"bits":4,"group_size":32,"quant_method":"gptq","checkpoint_format":"gptq_v2"}`)
	return writeFiles(t, map[string][]byte{"quantize_config.json": config}, tensors...)
}

// sourceCase makes a case of a method of files.
func sourceCase(t testing.TB, e *Env, method string, o any, dir string) *Case {
	t.Helper()
	m, _ := LookupMethod(method)
	s, err := e.OpenSource(m, o, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &Case{Label: method, Method: m, Options: o, Params: Params(o), Source: s}
	s.Describe(c.Params)
	return c
}

// TestImport opens a case of a GPTQ folder: what is compressed there is stored
// packed, what is not comes from there too, the rest from the model. The plan's
// bytes are those of the artefact, and the manifest names the files.
func TestImport(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	cfg := e.Model.Config
	dir := gptqFolder(t, cfg)
	c := sourceCase(t, e, "import", &foreign.ImportOptions{Path: filepath.Base(dir), Format: "auto"}, filepath.Dir(dir))
	if p := c.Params["path"]; p != filepath.Base(dir)+"@"+c.Source.hash()[:12] || c.Params["format"] != "gptq" {
		t.Errorf("parameters %v", c.Params)
	}
	if faults := c.CheckModel(cfg); faults != nil {
		t.Errorf("faults %v", faults)
	}
	s := open(t, e, c)
	m := s.Artefact.Manifest()
	if len(m.Import) != 2 || m.Import[0].Name != "quantize_config.json" || !slices.Equal([]artefact.File(m.Import), c.Source.Files) {
		t.Errorf("import %v", m.Import)
	}
	for layer := range cfg.Layers {
		for _, spec := range cfg.Linears(layer) {
			entry, _ := s.Artefact.Entry(spec.Name)
			plain := plainInFolder(spec)
			if plain != (entry.Kind == packed.KindDense) || c.Covers(spec.Name) == plain {
				t.Errorf("%s is %s, covered %v", spec.Name, entry.Kind, c.Covers(spec.Name))
			}
			if !plain && (entry.Bytes != c.StoredBytes(spec) || entry.NominalBits != 4 || c.NominalBits(spec) != 4) {
				t.Errorf("%s: %d bytes, planned %d; nominal %v", spec.Name, entry.Bytes, c.StoredBytes(spec), entry.NominalBits)
			}
		}
	}
	if gain, err := s.Artefact.Vector(model.FinalNormName); err != nil || gain[0] != 0.5 {
		t.Errorf("final norm %v, %v, want that of the folder", gain[0], err)
	}
	if _, err := s.Engine(8); err != nil {
		t.Error(err)
	}
	key, _ := e.Key(c)["import"].(string)
	if key != c.Source.hash() {
		t.Errorf("key %q", key)
	}
}

// TestExternal: weights of another program are run as they are and billed by
// what is declared, in the ledger and for whoever matches their bytes.
func TestExternal(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	cfg := e.Model.Config
	var tensors []safetensors.Tensor
	declared := map[string]int64{}
	var sum int64
	for layer := range cfg.Layers {
		for i, s := range cfg.Linears(layer) {
			x, _ := e.Model.Tensors.Tensor(s.Name)
			tensors = append(tensors, x)
			declared[s.Name] = int64(100 + 10*layer + i)
			sum += declared[s.Name]
		}
	}
	list, err := json.Marshal(declared)
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string][]byte{"bytes.json": list}, tensors...)
	c := sourceCase(t, e, "external", &foreign.ExternalOptions{Path: dir, Declared: "bytes.json"}, "")
	s := open(t, e, c)
	ledger, err := s.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ledger {
		if l.Class != string(model.ClassLinear) {
			continue
		}
		if l.StoredBytes != sum || len(l.Parts) != 1 || l.Parts["declared"] != float64(sum) {
			t.Errorf("%d bytes, %v, want %d declared", l.StoredBytes, l.Parts, sum)
		}
	}
	prompt := []int{0, 17, 300, 5}
	base, err := s.Base(8)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.Engine(8)
	if err != nil {
		t.Fatal(err)
	}
	want, err := base.Prefill(context.Background(), prompt)
	if err != nil {
		t.Fatal(err)
	}
	want = slices.Clone(want)
	if got, err := own.Prefill(context.Background(), prompt); err != nil || !slices.Equal(got, want) {
		t.Errorf("the model's own weights from a folder give other logits (%v)", err)
	}
	svd, _ := LookupMethod("svd")
	spec := cfg.Linears(0)[3]
	matched := &Case{Method: svd, Options: svd.New(), Target: &Target{Method: c.Method, Options: c.Options, Source: c.Source}}
	if got := matched.TargetBytes(spec); got != declared[spec.Name] {
		t.Errorf("a case that matches aims at %d bytes, want %d", got, declared[spec.Name])
	}
}

// TestSourceFaults: of options without what they need the field is told, of
// files the file.
func TestSourceFaults(t *testing.T) {
	e := newEnv(t, tinyModel(t), 1)
	for want, c := range map[string]struct {
		method string
		o      any
	}{
		"path: missing":               {"import", &foreign.ImportOptions{Format: "auto"}},
		"bits: missing":               {"external", &foreign.ExternalOptions{Path: "x"}},
		"bits: declared says":         {"external", &foreign.ExternalOptions{Path: "x", Bits: 2, Declared: "y"}},
		"stat /nosuch/file: no such ": {"import", &foreign.ImportOptions{Path: "file", Format: "auto"}},
	} {
		m, _ := LookupMethod(c.method)
		if _, err := e.OpenSource(m, c.o, "/nosuch"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s…", err, want)
		}
	}
}
