package subject

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/artefact"
	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/model"
)

// folder reads all files below dir.
func folder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[strings.TrimPrefix(path, dir)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// compressing lists a case of every method that compresses.
func compressing(t *testing.T) []*Case {
	t.Helper()
	var cs []*Case
	for i := range methods {
		if methods[i].Compress != nil {
			c := defaultCase(t, methods[i].Name)
			if c.Method.CheckShape(c.Options, 32, 64) != nil { // the smallest of the tiny model
				c.Options = fixtureOf(t, c.Method.Name).sizes[0]
				c.Params = Params(c.Options)
			}
			cs = append(cs, c)
		}
	}
	gpr := newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.GPR = 3, 4 })
	return append(cs, gpr)
}

// TestSameBytes compresses with every method twice, in two caches and on one
// and two threads: the folders are equal byte by byte. Opening again compresses
// nothing.
func TestSameBytes(t *testing.T) {
	m := tinyModel(t)
	one, two := newEnv(t, m, 1), newEnv(t, m, 2)
	for _, c := range compressing(t) {
		if one.Cached(c) {
			t.Errorf("%s: in the cache before it was made", c.Label)
		}
		a, b := open(t, one, c), open(t, two, c)
		if a.Hit || b.Hit {
			t.Errorf("%s: a hit in an empty cache", c.Label)
		}
		if a.Artefact.Hash() != b.Artefact.Hash() {
			t.Errorf("%s: hash %.12s on one thread, %.12s on two", c.Label, a.Artefact.Hash(), b.Artefact.Hash())
		}
		fa, fb := folder(t, a.ArtefactDir()), folder(t, b.ArtefactDir())
		for name := range fa {
			if !bytes.Equal(fa[name], fb[name]) {
				t.Errorf("%s: %s differs", c.Label, name)
			}
		}
		delete(fa, string(filepath.Separator)+NotesFile)
		delete(fb, string(filepath.Separator)+NotesFile)
		if len(fa) != len(fb) || len(fa) != 5 { // manifest, weights, config, two of the tokenizer
			t.Errorf("%s: %d and %d files, want 5", c.Label, len(fa), len(fb))
		}
		calls := 0
		again, err := one.Open(context.Background(), c, func(Stage, int, int) { calls++ })
		if err != nil {
			t.Fatal(err)
		}
		if !again.Hit || !one.Cached(c) || calls > 0 || again.Seconds[StageCompress] != 0 || again.ArtefactDir() != a.ArtefactDir() {
			t.Errorf("%s: opened again: hit %v, %d calls of progress, %v", c.Label, again.Hit, calls, again.Seconds)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Artefact.VerifyFiles(); err != nil {
			t.Error(err)
		}
	}
}

// TestLedger counts bytes by hand: what the formulas say for the covered
// matrices, 16 bits for everything else; and the sums are those of the file.
func TestLedger(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	weights := m.Config.Parameters()
	for _, c := range append(compressing(t), defaultCase(t, "dense")) {
		s := open(t, e, c)
		ledger, err := s.Ledger()
		if err != nil {
			t.Fatal(err)
		}
		var linear, total int64
		var nominal float64
		for layer := range m.Config.Layers {
			for _, spec := range m.Config.Linears(layer) {
				n := int64(spec.Out) * int64(spec.In)
				if c.Covers(spec.Name) {
					linear += c.StoredBytes(spec)
					nominal += c.NominalBits(spec) * float64(n)
				} else {
					linear += 2 * n
					nominal += 16 * float64(n)
				}
			}
		}
		for _, l := range ledger {
			want := 2 * l.Weights
			if l.Class == string(model.ClassLinear) {
				want = linear
				if math.Abs(l.NominalBits-nominal) > 1e-9*nominal {
					t.Errorf("%s: nominal bits %v, want %v", c.Label, l.NominalBits, nominal)
				}
			} else if l.NominalBits != 16*float64(l.Weights) {
				t.Errorf("%s: %s: nominal bits %v for %d weights", c.Label, l.Class, l.NominalBits, l.Weights)
			}
			if l.StoredBytes != want || l.Weights != weights[model.Class(l.Class)] {
				t.Errorf("%s: %s: %d bytes of %d weights, want %d", c.Label, l.Class, l.StoredBytes, l.Weights, want)
			}
			var parts float64
			for _, n := range l.Parts {
				parts += n
			}
			if parts != float64(l.StoredBytes) {
				t.Errorf("%s: %s: parts %v sum to %v, want %d", c.Label, l.Class, l.Parts, parts, l.StoredBytes)
			}
			total += l.StoredBytes
		}
		if c.Method.Compress == nil {
			if s.ArtefactDir() != "" || !s.Hit {
				t.Errorf("dense: folder %q, hit %v", s.ArtefactDir(), s.Hit)
			}
			continue
		}
		if data := tensorBytes(t, filepath.Join(s.ArtefactDir(), "model-00001-of-00001.safetensors")); data != total {
			t.Errorf("%s: ledger %d bytes, tensors in the file %d", c.Label, total, data)
		}
	}
}

// tensorBytes is the size of a safetensors file behind its header, whose
// length its first eight bytes tell.
func tensorBytes(t *testing.T, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(b)) - 8
	for i, x := range b[:8] {
		n -= int64(x) << (8 * i)
	}
	return n
}

// TestNaN: weights that are not finite are named, whatever the method and
// wherever they stand, and leave nothing in the cache.
func TestNaN(t *testing.T) {
	const up = "model.layers.1.mlp.up_proj.weight"
	for _, bad := range []struct {
		tensor string
		at     int
		value  float32
		want   string
	}{
		{up, 3*64 + 5, float32(math.NaN()), "tensor " + up + ": value [3, 5] is NaN"},
		{model.EmbeddingName, 0, float32(math.Inf(-1)), "tensor " + model.EmbeddingName + ": value [0, 0] is -Inf"},
		{model.FinalNormName, 63, float32(math.NaN()), "tensor " + model.FinalNormName + ": value [63] is NaN"},
	} {
		dir := t.TempDir()
		WriteModel(t, dir, Tiny, func(name string, w []float32) {
			if name == bad.tensor {
				w[bad.at] = bad.value
			}
		})
		e := newEnv(t, openModel(t, dir), 2)
		for _, c := range append(compressing(t), defaultCase(t, "dense")) {
			_, err := e.Open(context.Background(), c, quiet)
			var stage *StageError
			if err == nil || err.Error() != "load: "+bad.want || !errors.As(err, &stage) || stage.Stage != StageLoad {
				t.Errorf("%s: got %v, want load: %s", c.Label, err, bad.want)
			}
			if c.Method.Compress != nil && e.Cached(c) {
				t.Errorf("%s: in the cache", c.Label)
			}
		}
	}
}

// TestCanceled: a context that ends is no fault of a stage.
func TestCanceled(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	for _, c := range compressing(t) {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := e.Open(ctx, c, func(Stage, int, int) { cancel() })
		cancel()
		var stage *StageError
		if !errors.Is(err, context.Canceled) || errors.As(err, &stage) {
			t.Errorf("%s: got %v, want context.Canceled outside a stage", c.Label, err)
		}
	}
}

// TestStages: failures say in which stage they came.
func TestStages(t *testing.T) {
	e := newEnv(t, tinyModel(t), 2)
	calibrate := defaultCase(t, "sketchtune")
	calibrate.Calibration.Length = 10000 // more positions than the model has
	compress := newCase(t, "svd", func(o *svd.Options) { o.Bits = 1e-3 })
	unwritable := newEnv(t, e.Model, 1)
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	unwritable.Cache.Dir = file
	for _, c := range []struct {
		env   *Env
		c     *Case
		stage Stage
		want  string
	}{
		{e, calibrate, StageCalibrate, "calibration window 0: 10000 tokens, want 1 to max_position_embeddings 256"},
		{e, compress, StageCompress, "tensor model.layers.0.self_attn.q_proj.weight: svd: rank: 0 for a 64×64 matrix"},
		{unwritable, defaultCase(t, "int4"), StageCompress, "the cache cannot be written"},
	} {
		_, err := c.env.Open(context.Background(), c.c, quiet)
		var stage *StageError
		if !errors.As(err, &stage) || stage.Stage != c.stage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want stage %s …%s", err, c.stage, c.want)
		}
	}
}

// TestProgress: the last call of every stage tells that all is done.
func TestProgress(t *testing.T) {
	if testing.Short() {
		t.Skip("compresses with every method once more")
	}
	e := newEnv(t, tinyModel(t), 2)
	for _, c := range compressing(t) {
		last := map[Stage][2]int{}
		s, err := e.Open(context.Background(), c, func(stage Stage, done, total int) {
			if done != last[stage][0]+1 {
				t.Errorf("%s: %s: step %d after %d", c.Label, stage, done, last[stage][0])
			}
			last[stage] = [2]int{done, total}
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(last) != 1 {
			t.Errorf("%s: progress of %d stages", c.Label, len(last))
		}
		for stage, n := range last {
			if n[0] != n[1] || n[0] < Tiny.Layers {
				t.Errorf("%s: %s ends at %d of %d", c.Label, stage, n[0], n[1])
			}
		}
		if s.Seconds[StageCompress] <= 0 || s.Seconds[StageLoad] <= 0 || (s.Seconds[StageCalibrate] > 0) != (c.Calibration != nil) {
			t.Errorf("%s: seconds %v", c.Label, s.Seconds)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestManifest: the artefact says what it was made of, without a path.
func TestManifest(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	c := defaultCase(t, "ultrasketch")
	c.Seed = 3
	s := open(t, e, c)
	h := s.Artefact.Manifest().ManifestHead
	if h.Method != "ultrasketch" || h.Seed != 3 || h.Version != c.Method.Version || !slices.Equal(h.Source, m.Sources) {
		t.Errorf("%+v", h)
	}
	if err := artefact.Verify(m.Dir, h.Source); err != nil {
		t.Error(err)
	}
	if h.Calibration["corpus"] != "demo-calibration" || len(h.Calibration) != 6 {
		t.Errorf("calibration %v", h.Calibration)
	}
	for name, b := range folder(t, s.ArtefactDir()) {
		if bytes.Contains(b, []byte(m.Dir)) || bytes.Contains(b, []byte(e.Cache.Dir)) {
			t.Errorf("%s holds a path", name)
		}
	}
}
