package subject

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/demo"
	"github.com/sketchbench/sketchbench/internal/engine"
	"github.com/sketchbench/sketchbench/internal/safetensors"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

var update = flag.Bool("update", false, "add the entries of new versions to testdata/golden; entries that are there stay as they are")

// goldenDir holds a file for every method, and in it for every case what each
// version of the method makes, the newest last. Nothing is ever rewritten
// there: other output is another version.
const goldenDir = "testdata/golden"

// goldenFile returns the file of a case.
func goldenFile(label string) string {
	method, _, _ := strings.Cut(label, " ")
	return filepath.Join(goldenDir, method+".json")
}

// A golden is what one version makes of the first layer of the demo model.
type golden struct {
	Version int `json:"version"`        // of the method
	Walk    int `json:"walk,omitempty"` // walkVersion, where calibration text is looked at
	Format  int `json:"format"`         // of the artefact
	// Hash is that of the files with the weights; for moments, of all files.
	// The manifest is left out: it has the options, which may get more fields
	// while the weights stay.
	Hash string `json:"hash"`
	// WeightError is ‖W−Ŵ‖F/‖W‖F and OutputError √(tr ΔHΔᵀ/tr WHWᵀ) over the
	// matrices that the case covers, H the uncompressed model's.
	WeightError float64 `json:"weight_error,omitempty"`
	OutputError float64 `json:"output_error,omitempty"`
}

func (g golden) versions() string {
	s := fmt.Sprintf("version %d, artefact format %d", g.Version, g.Format)
	if g.Walk > 0 {
		s += fmt.Sprintf(", walk %d", g.Walk)
	}
	return s
}

// goldenCases lists at least the default of every method, and its main options.
func goldenCases(t *testing.T) []*Case {
	var cs []*Case
	for i := range methods {
		if methods[i].Compress != nil {
			cs = append(cs, defaultCase(t, methods[i].Name))
		}
	}
	for _, f := range fixtures {
		if f.golden == nil {
			continue
		}
		more := f.golden(t)
		for _, words := range slices.Sorted(maps.Keys(more)) {
			more[words].Label += " " + words
			cs = append(cs, more[words])
		}
	}
	return cs
}

// TestGolden holds what every method makes of the first layer of the demo
// model, on portable kernels, to the hashes of goldenDir. Cached artefacts are
// found by the versions of what made them, so other output wants another
// Version; see check.
func TestGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the compiler may fuse products and sums elsewhere")
	}
	if testing.Short() {
		t.Skip("several methods on a layer, on portable kernels")
	}
	e := newEnv(t, cutDemo(t), 2)
	fast := e.Gemm // for the errors, which are told and not compared
	e.Gemm.ISA = gemm.Generic
	dev, err := cpu.New(cpu.Options{ISA: gemm.Generic, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	e.Device = dev
	book := openGoldens(t)
	calibration := Calibration{Corpus: CorpusRef{Name: "demo-calibration"}, Sequences: 3, Length: 48}
	for label, tensors := range map[string][]string{"moments": {momentsTensor}, "moments of channels": {meanSquareTensor, meanAbsTensor}} {
		hash := momentsHash(t, e, calibration, tensors...)
		book.check(label, golden{Walk: walkVersion, Format: artefact.Format, Hash: hash}, "walkVersion in internal/subject/build.go")
	}
	errs := newErrors(t, e, fast, calibration)
	for _, c := range goldenCases(t) {
		if noasm && c.Method.Name == "svdllm" {
			continue // gonum's root of second moments sums in another order without assembly
		}
		s := open(t, e, c)
		g := golden{Version: c.Method.Version, Format: artefact.Format, Hash: weightsHash(s.Artefact.Manifest().Files)}
		if c.Calibration != nil {
			g.Walk = walkVersion
		}
		g.WeightError, g.OutputError = errs.of(t, s)
		book.check(c.Label, g, "Version in internal/compress/"+c.Method.Name)
	}
	book.close()
}

// cutDemo is the demo model without all layers but the first.
func cutDemo(t *testing.T) *Model {
	t.Helper()
	dir := t.TempDir()
	files := demo.ModelFiles()
	f, err := safetensors.Parse("model.safetensors", files["model.safetensors"])
	if err != nil {
		t.Fatal(err)
	}
	var kept []safetensors.Tensor
	for _, name := range f.Names() {
		if strings.HasPrefix(name, "model.layers.") && !strings.HasPrefix(name, "model.layers.0.") {
			continue
		}
		tensor, _ := f.Tensor(name)
		kept = append(kept, tensor)
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), kept, nil); err != nil {
		t.Fatal(err)
	}
	layers := []byte(`"num_hidden_layers": 6`)
	if !bytes.Contains(files["config.json"], layers) {
		t.Fatalf("config.json of the demo model: no %s", layers)
	}
	delete(files, "model.safetensors")
	for name, b := range files {
		b = bytes.Replace(b, layers, []byte(`"num_hidden_layers": 1`), 1)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return openModel(t, dir)
}

// weightsHash hashes the names and hashes of the files that hold tensors.
func weightsHash(files []artefact.File) string {
	h := sha256.New()
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".safetensors") {
			fmt.Fprintf(h, "%s %s\n", f.Name, f.SHA256)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// momentsHash hashes some of the tensors of all files of moments, as files that
// hold nothing else.
func momentsHash(t *testing.T, e *Env, c Calibration, tensors ...string) string {
	t.Helper()
	dir, err := e.moments(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	files := folder(t, dir)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := safetensors.Parse(name, files[name])
		if err != nil {
			t.Fatal(err)
		}
		var kept []safetensors.Tensor
		for _, tensor := range tensors {
			x, ok := f.Tensor(tensor)
			if !ok {
				t.Fatalf("%s: no tensor %s", name, tensor)
			}
			kept = append(kept, x)
		}
		var b bytes.Buffer
		if _, err := safetensors.WriteTo(&b, kept, nil); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n", name, b.Len())
		h.Write(b.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// errorsOf compares compressed matrices with those of the model.
type errorsOf struct {
	e     *Env
	fast  gemm.Config
	w, h  map[string][]float32 // by tensor
	norms map[string][2]float64
}

func newErrors(t *testing.T, e *Env, fast gemm.Config, c Calibration) *errorsOf {
	t.Helper()
	x := &errorsOf{e: e, fast: fast, w: map[string][]float32{}, h: map[string][]float32{}, norms: map[string][2]float64{}}
	for _, spec := range e.Model.Config.Linears(0) {
		h, err := e.Hessian(context.Background(), c, spec)
		if err != nil {
			t.Fatal(err)
		}
		x.h[spec.Name], x.w[spec.Name] = h, dequantized(t, e.Model.Weights(), spec.Name, spec.Out, spec.In)
		x.norms[spec.Name] = x.squares(x.w[spec.Name], h, spec.Out, spec.In)
	}
	return x
}

func dequantized(t *testing.T, w engine.Weights, name string, out, in int) []float32 {
	t.Helper()
	p, err := w.Weight(name)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, out*in)
	p.Dequantize(v, 0, out)
	return v
}

// squares returns ‖D‖F² and tr DHDᵀ of D, out×in.
func (x *errorsOf) squares(d, h []float32, out, in int) [2]float64 {
	dh := make([]float32, out*in)
	x.fast.Gemm(false, false, out, in, in, 1, d, in, h, in, 0, dh, in)
	var s [2]float64
	for i, v := range d {
		s[0] += float64(v) * float64(v)
		s[1] += float64(v) * float64(dh[i])
	}
	return s
}

// of returns the errors over all covered matrices, to four digits: the last
// digits depend on the kernels.
func (x *errorsOf) of(t *testing.T, s *Subject) (weight, output float64) {
	t.Helper()
	var sum, norm [2]float64
	for _, spec := range x.e.Model.Config.Linears(0) {
		if !s.Case.Covers(spec.Name) {
			continue
		}
		d := dequantized(t, s.Weights(), spec.Name, spec.Out, spec.In)
		for i, w := range x.w[spec.Name] {
			d[i] -= w
		}
		q := x.squares(d, x.h[spec.Name], spec.Out, spec.In)
		for i := range q {
			sum[i] += q[i]
			norm[i] += x.norms[spec.Name][i]
		}
	}
	round := func(v float64) float64 {
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64) // what it has just written
		return v
	}
	return round(math.Sqrt(sum[0] / norm[0])), round(math.Sqrt(sum[1] / norm[1]))
}

// goldens is what goldenDir holds.
type goldens struct {
	t       testing.TB
	entries map[string]map[string][]golden // by file and label
	update  bool                           // add what is missing
	added   map[string]bool                // files
}

func openGoldens(t *testing.T) *goldens {
	t.Helper()
	g := &goldens{t: t, entries: map[string]map[string][]golden{}, update: *update, added: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		labels := map[string][]golden{}
		if err := json.Unmarshal(b, &labels); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g.entries[name] = labels
	}
	return g
}

// check compares with the entry of the same versions. Where there is none, it
// shows the last one, and adds an entry if that is asked for; one that is there
// is never changed.
func (g *goldens) check(label string, got golden, bump string) {
	g.t.Helper()
	file := goldenFile(label)
	list := g.entries[file][label]
	same := slices.IndexFunc(list, func(old golden) bool { return old.versions() == got.versions() })
	switch {
	case same >= 0 && list[same].Hash == got.Hash:
		return
	case same >= 0:
		g.t.Errorf("%s, %s makes other output than before:\n%s\nCached artefacts of the old output would be taken for the new one's: "+
			"bump %s, then add the entry with go test ./internal/subject -run TestGolden -update (which rewrites none)",
			label, got.versions(), change(list[same], got), bump)
		return
	}
	what := fmt.Sprintf("%s: no entry of %s in %s; hash %.16s, weight error %v, output error %v", label, got.versions(), file, got.Hash, got.WeightError, got.OutputError)
	if len(list) > 0 {
		what = fmt.Sprintf("%s: no entry of %s in %s; against the last one, %s:\n%s", label, got.versions(), file, list[len(list)-1].versions(), change(list[len(list)-1], got))
	}
	if !g.update {
		g.t.Errorf("%s\nIf that is meant, go test ./internal/subject -run TestGolden -update adds it", what)
		return
	}
	g.t.Log("added: ", what)
	if g.entries[file] == nil {
		g.entries[file] = map[string][]golden{}
	}
	g.entries[file][label], g.added[file] = append(list, got), true
}

// change tells what two entries have different.
func change(old, now golden) string {
	return fmt.Sprintf("\thash         %.16s → %.16s\n\tweight error %v → %v\n\toutput error %v → %v",
		old.Hash, now.Hash, old.WeightError, now.WeightError, old.OutputError, now.OutputError)
}

// close writes the files to which entries were added.
func (g *goldens) close() {
	if len(g.added) == 0 {
		return
	}
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		g.t.Fatal(err)
	}
	for file := range g.added {
		b, err := json.MarshalIndent(g.entries[file], "", "  ")
		if err != nil {
			g.t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
}

// fakeT collects what a test would say.
type fakeT struct {
	testing.TB
	said []string
}

func (f *fakeT) Helper()         {}
func (f *fakeT) Log(args ...any) { f.said = append(f.said, fmt.Sprint(args...)) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.said = append(f.said, "FAIL "+fmt.Sprintf(format, args...))
}

// TestGoldenRefuses: an entry is never rewritten, a changed hash tells old and
// new, and what has no entry fails unless it is to be added.
func TestGoldenRefuses(t *testing.T) {
	old := golden{Version: 1, Format: 1, Hash: strings.Repeat("a", 64), WeightError: 0.1, OutputError: 0.05}
	now := old
	now.Hash, now.WeightError = strings.Repeat("b", 64), 0.2
	next := now
	next.Version = 2
	for _, c := range []struct {
		name    string
		update  bool
		label   string
		got     golden
		says    []string
		entries int
	}{
		{"equal", false, "m", old, nil, 1},
		{"changed", false, "m", now, []string{"FAIL", "aaaaaaaaaaaaaaaa → bbbbbbbbbbbbbbbb", "0.1 → 0.2", "bump Version"}, 1},
		{"changed, update", true, "m", now, []string{"FAIL", "bump Version"}, 1},
		{"bumped", false, "m", next, []string{"FAIL", "no entry of version 2", "0.1 → 0.2", "-update"}, 1},
		{"bumped, update", true, "m", next, []string{"added", "0.1 → 0.2"}, 2},
		{"new method", false, "n", old, []string{"FAIL", "n: no entry of version 1"}, 1},
	} {
		f := &fakeT{}
		entries := map[string][]golden{"m": {old}}
		g := goldens{t: f, update: c.update, entries: map[string]map[string][]golden{goldenFile("m"): entries, goldenFile("other"): {}}, added: map[string]bool{}}
		g.check(c.label, c.got, "Version")
		said := strings.Join(f.said, "\n")
		for _, s := range c.says {
			if !strings.Contains(said, s) {
				t.Errorf("%s: %q, want %q in it", c.name, said, s)
			}
		}
		if len(c.says) == 0 && said != "" || len(entries["m"]) != c.entries || entries["m"][0] != old {
			t.Errorf("%s: said %q, entries %v", c.name, said, g.entries)
		}
	}
}
