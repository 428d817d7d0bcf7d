package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sketchbench/sketchbench/internal/packed"
	"github.com/sketchbench/sketchbench/internal/safetensors"
)

// The files of an adapter.
const (
	adapterConfig = "adapter_config.json"
	adapterModel  = "adapter_model.safetensors"
)

// A loraConfig is what PEFT says of an adapter.
type loraConfig struct {
	Type         string          `json:"peft_type"`
	Rank         int             `json:"r"`
	Alpha        float64         `json:"lora_alpha"`
	RSLoRA       bool            `json:"use_rslora"`
	DoRA         bool            `json:"use_dora"`
	FanInFanOut  bool            `json:"fan_in_fan_out"`
	Bias         string          `json:"bias"`
	RankPattern  map[string]any  `json:"rank_pattern"`
	AlphaPattern map[string]any  `json:"alpha_pattern"`
	Save         json.RawMessage `json:"modules_to_save"`
	Init         any             `json:"init_lora_weights"`
}

// check returns the faults of a description, the file path.
func (a loraConfig) check(path string) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if a.Type != "LORA" {
		bad("peft_type: %q, want LORA", a.Type)
	}
	if a.Rank < 1 {
		bad("r: %d, want at least 1", a.Rank)
	}
	if a.DoRA {
		bad("use_dora: true, which is no sum of two paths")
	}
	if a.FanInFanOut {
		bad("fan_in_fan_out: true, want false")
	}
	if a.Bias != "" && a.Bias != "none" {
		bad("bias: %q, want none", a.Bias)
	}
	if len(a.RankPattern)+len(a.AlphaPattern) > 0 {
		bad("rank_pattern, alpha_pattern: settings of single layers are not implemented")
	}
	if s, ok := a.Init.(string); ok && !slices.Contains([]string{"gaussian", "eva", "orthogonal"}, s) {
		bad("init_lora_weights: %q, under which the adapter belongs to another base than the model: convert it to a plain one", s)
	}
	if s := string(a.Save); s != "" && s != "null" && s != "[]" {
		bad("modules_to_save: %s, want none", s)
	}
	return errors.Join(faults...)
}

// scaling is the factor of B·A: α/r, or α/√r with use_rslora.
func (a loraConfig) scaling() float64 {
	if a.RSLoRA {
		return a.Alpha / math.Sqrt(float64(a.Rank))
	}
	return a.Alpha / float64(a.Rank)
}

// openLoRA reads an adapter of PEFT: for a layer of n outputs and d inputs,
// lora_A [r, d] and lora_B [n, r]. The weight is the model's own plus
// scaling·B·A; both stay apart, with the scaling folded into B.
func (c *Checkpoint) openLoRA(dir string, model []Spec) error {
	config := filepath.Join(dir, adapterConfig)
	var a loraConfig
	if err := readJSON(config, &a); err != nil {
		return err
	}
	if err := a.check(config); err != nil {
		return err
	}
	file, err := safetensors.Open(filepath.Join(dir, adapterModel))
	if err != nil {
		return err
	}
	ckpt, err := safetensors.NewCheckpoint(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	c.close = append(c.close, ckpt.Close)
	c.Paths = append(c.Paths, config, file.Name())
	own := map[string]int64{}
	for _, s := range model {
		own[s.Name] = s.Bytes
	}
	var faults []error
	for _, m := range c.modules(ckpt, "lora_A.weight", "lora_B.weight") {
		name := weightName(strings.TrimPrefix(m.name, "base_model.model."))
		l, err := loraLayer(m, a, own[name])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.linears[name] = l
	}
	return errors.Join(faults...)
}

// loraLayer checks the tensors of a layer; the model's own weight takes so many
// bytes.
func loraLayer(m module, a loraConfig, own int64) (Linear, error) {
	down, up := m.parts["lora_A.weight"], m.parts["lora_B.weight"]
	if len(down.Shape) != 2 || down.Shape[0] != a.Rank || !slices.Contains(storedTypes, down.DType) {
		return Linear{}, fmt.Errorf("%s: tensor %s: %s %v, want %s and %d rows", m.file, down.Name, down.DType, down.Shape, strings.Join(storedTypes, ", "), a.Rank)
	}
	if len(up.Shape) != 2 || up.Shape[1] != a.Rank || up.Shape[0] < 1 || !slices.Contains(storedTypes, up.DType) {
		return Linear{}, fmt.Errorf("%s: tensor %s.lora_B.weight: %s %v, want %s and %d columns", m.file, m.name, up.DType, up.Shape, strings.Join(storedTypes, ", "), a.Rank)
	}
	out, in := up.Shape[0], down.Shape[1]
	l := Linear{Out: out, In: in, file: m.file}
	l.Bytes = own + 2*int64(a.Rank)*int64(out+in)
	l.Bits = 8 * float64(l.Bytes) / float64(out) / float64(in)
	l.weight = func(base packed.Weight) (packed.Weight, error) {
		w := &packed.LowRank{Out: out, In: in, Rank: a.Rank}
		var err error
		if w.V, err = halves(down, 1); err != nil {
			return nil, err
		}
		if w.U, err = halves(up, a.scaling()); err != nil {
			return nil, err
		}
		return &packed.Sum{Terms: []packed.Weight{base, w}}, nil
	}
	return l, nil
}
