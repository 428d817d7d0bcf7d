//go:build ignore

// Make writes the copied cases: go run make.go SHARED/reference/quant
//
// The matrices are those that may be copied, heavy and gauss.
package main

import (
	"encoding/binary"
	"encoding/json"
	"log"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/sketchbench/sketchbench/internal/safetensors"
)

var cases = map[string][]string{
	"rtn":        {"heavy.b4.g128.asym", "heavy.b2.row.asym", "heavy.b4.row.sym", "gauss.b3.g64.asym"},
	"sketchtune": {"heavy.b4.g1.s3", "heavy.b3.g4.s4", "gauss.b2.g2.s0", "gauss.b4.g4.s3", "heavy.u_diag", "heavy.perm", "gauss.u_diag", "gauss.perm"},
	"nf4":        {"heavy.nf4", "heavy.nf4.dq", "gauss.nf4", "gauss.nf4.dq", "heavy.nf2", "gauss.nf3", "levels"},
	"gptq": {"heavy.b4.row.act", "heavy.b2.g128.noact.current", "heavy.b3.g32.noact.lagged", "gauss.b4.g32.act.static", "gauss.b4.g32.act.current",
		"gauss.b3.row.noact", "gauss.b4.row.act.asym.errors-only", "gauss.b4.row.act.sym.errors-only", "heavy.perm", "gauss.perm"},
	"svd":            {"heavy", "gauss", "heavy.r4", "heavy.r32", "gauss.r2", "gauss.r16"},
	"loftq":          {"heavy.nf2.r8", "gauss.nf4.r8"},
	"kmeans_inertia": {"heavy.b4.g1.s3", "heavy.b3.g4.s4", "gauss.b2.g2.s0", "gauss.b4.g4.s3"},
}

func main() {
	src := os.Args[1]
	for part, names := range cases {
		f := open(filepath.Join(src, part+".safetensors"))
		var keep []safetensors.Tensor
		for _, name := range f.Names() {
			for _, c := range names {
				if name == c || strings.HasPrefix(name, c+".") {
					t, _ := f.Tensor(name)
					keep = append(keep, t)
					break
				}
			}
		}
		write(part, keep)
		if part != "kmeans_inertia" {
			results(filepath.Join(src, part+".json"), part, names)
		}
	}
	inputs(open(filepath.Join(src, "inputs.safetensors")))
}

// results copies the figures of the named cases.
func results(path, part string, names []string) {
	b, err := os.ReadFile(path)
	check(err)
	var file struct {
		Versions json.RawMessage            `json:"versions"`
		Results  map[string]json.RawMessage `json:"results"`
	}
	check(json.Unmarshal(b, &file))
	keep := map[string]json.RawMessage{}
	for _, name := range names {
		if r, ok := file.Results[name]; ok {
			keep[name] = r
		}
	}
	file.Results = keep
	b, err = json.MarshalIndent(file, "", " ")
	check(err)
	check(os.WriteFile(filepath.Join("testdata", part+".json"), append(b, '\n'), 0o644))
}

// inputs writes W, H as its lower triangle row by row, rounded to float32, and
// mean |x| of the input channels.
func inputs(f *safetensors.File) {
	var keep []safetensors.Tensor
	for _, name := range []string{"heavy", "gauss"} {
		w, _ := f.Tensor(name + ".W")
		x, _ := f.Tensor(name + ".X")
		v := make([]float32, x.Len())
		check(x.Float32(v))
		rows, d := x.Shape[0], x.Shape[1]
		var h []byte
		for i := range d {
			for j := range i + 1 {
				var sum float64
				for k := range rows {
					sum += float64(v[k*d+i]) * float64(v[k*d+j])
				}
				h = binary.LittleEndian.AppendUint32(h, math.Float32bits(float32(2/float64(rows)*sum)))
			}
		}
		var abs []byte
		for j := range d {
			var sum float64
			for k := range rows {
				sum += math.Abs(float64(v[k*d+j]))
			}
			abs = binary.LittleEndian.AppendUint64(abs, math.Float64bits(sum/float64(rows)))
		}
		keep = append(keep, safetensors.Tensor{Name: name + ".mean_abs", DType: "F64", Shape: []int{d}, Data: abs})
		keep = append(keep, w, safetensors.Tensor{Name: name + ".H", DType: "F32", Shape: []int{d * (d + 1) / 2}, Data: h})
	}
	write("inputs", keep)
}

func open(path string) *safetensors.File {
	f, err := safetensors.Open(path)
	check(err)
	return f
}

func write(part string, tensors []safetensors.Tensor) {
	check(safetensors.Write(filepath.Join("testdata", part+".safetensors"), tensors, nil))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
