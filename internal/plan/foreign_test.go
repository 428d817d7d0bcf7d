package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/scenarios"
)

// externalFolder writes the linear layers of the demo model, and a declaration
// that says 3000 bytes for each.
func externalFolder(t *testing.T, dir string, edit func(*safetensors.Tensor)) {
	t.Helper()
	f, err := safetensors.Parse("model", demo.ModelFiles()["model.safetensors"])
	if err != nil {
		t.Fatal(err)
	}
	var tensors []safetensors.Tensor
	declared := map[string]int{}
	for _, name := range f.Names() {
		if strings.Contains(name, "_proj.") {
			x, _ := f.Tensor(name)
			edit(&x)
			tensors = append(tensors, x)
			declared[name] = 3000
		}
	}
	b, err := json.Marshal(declared)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = safetensors.Write(filepath.Join(dir, safetensors.SingleFile), tensors, nil)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "bytes.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignFaults: everything that is wrong with the files of a method is
// told at the field that names them, beside all other faults.
func TestForeignFaults(t *testing.T) {
	dir := t.TempDir()
	externalFolder(t, filepath.Join(dir, "good"), func(*safetensors.Tensor) {})
	externalFolder(t, filepath.Join(dir, "bad"), func(x *safetensors.Tensor) {
		switch x.Name {
		case "model.layers.0.self_attn.q_proj.weight":
			x.Shape = []int{512, 128}
		case "model.layers.1.mlp.up_proj.weight":
			x.Name = "model.layers.7.mlp.up_proj.weight"
		}
	})
	const text = `name: x
model: demo
methods:
  - {name: import, format: gtpq, path: good}
  - {name: import}
  - {name: import, path: [none, good]}
  - {name: external, path: bad, bits: 2}
  - {name: external, path: good}
  - {name: external, path: good, bits: 3, only: "*.q_proj.*"}
  - {name: external, path: good, declared: bytes.json, overrides: [{tensors: "*", bits: 2}]}
suites: [memory]
`
	const want = `x:4:28: methods[0].format: gtpq, want one of auto, sketchtune, gptq, awq, lora
x:5:5: methods[1].path: missing, want a folder, or the file of a sketchtune checkpoint
x:6:27: methods[2].path: stat none: no such file or directory
x:6:33: methods[2].path: good: neither adapter_config.json, quantize_config.json, quant_config.json nor a config.json with quantization_config: file does not exist
x:7:28: methods[3].path: bad: tensor model.layers.1.mlp.up_proj.weight: missing, want shape [768 256]
x:7:28: methods[3].path: bad/model.safetensors: tensor model.layers.0.self_attn.q_proj.weight: shape [512 128], want [256 256]
x:7:28: methods[3].path: bad/model.safetensors: tensor model.layers.7.mlp.up_proj.weight: not part of the model
x:8:5: methods[4].bits: missing: want the stored bits per weight, or declared, a file with the bytes of every linear layer
x:9:5: methods[5]: external takes what its files hold, which belongs together: remove only, except and overrides
x:10:5: methods[6]: external takes what its files hold, which belongs together: remove only, except and overrides`
	s, err := scenarios.Parse([]byte(text), "x", dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Make(s, Settings{Cache: t.TempDir(), Threads: 1})
	if err == nil {
		t.Fatal("no faults")
	}
	if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != want {
		t.Errorf("faults\n%s\nwant\n%s", got, want)
	}
}

// TestForeignCases: a case is known by what its files hold, not by where they
// lie; others may match the bytes that they declare.
func TestForeignCases(t *testing.T) {
	ids := func(dir string) (list []string) {
		const text = `name: x
model: demo
methods:
  - dense
  - {name: external, path: sub/other, declared: bytes.json}
  - {name: svd, match: external}
suites: [memory]
`
		s, err := scenarios.Parse([]byte(text), "x", dir)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Make(s, Settings{Cache: t.TempDir(), Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Cases {
			list = append(list, c.ID)
		}
		c := p.Cases[1]
		if path, _ := c.Params["path"].(string); !strings.HasPrefix(path, "other@") || c.Label != "external path=sub/other declared=bytes.json" {
			t.Errorf("case %s, parameters %v", c.Label, c.Params)
		}
		// A rank of a 128×256 matrix takes 2·(128 + 256) = 768 bytes: three fit.
		spec := p.Env.Model.Config.Linears(0)[1]
		if got := p.Cases[2].StoredBytes(spec); c.StoredBytes(spec) != 3000 || got != 3*768 {
			t.Errorf("%d bytes match %d, want 3·768 and 3000", got, c.StoredBytes(spec))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		return list
	}
	a, b, other := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		externalFolder(t, filepath.Join(dir, "sub/other"), func(*safetensors.Tensor) {})
	}
	externalFolder(t, filepath.Join(other, "sub/other"), func(x *safetensors.Tensor) {
		x.Data = append([]byte{1}, x.Data[1:]...)
	})
	x, y, z := ids(a), ids(b), ids(other)
	if x[1] != y[1] || x[2] != y[2] {
		t.Errorf("ids %v and %v of equal files", x, y)
	}
	if x[1] == z[1] || x[2] == z[2] {
		t.Errorf("ids %v and %v of different files", x, z)
	}
}
