// Package layering tests which packages may import which.
package layering

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sketchbench/sketchbench/"

// A rule lists what a package may import besides the standard library: of
// this module by path from the root, or third-party by full path.
type rule struct {
	pkg     string
	imports []string
}

// numerics is what a compression method stands on.
var numerics = []string{"kernels/gemm", "internal/packed", "internal/linalg",
	"internal/compress/grid", "internal/compress/kmeans", "internal/compress/compensate"}

// rules lists every package, bottom first: a package may import only packages
// listed above it, and only those that its own line names.
var rules = []rule{
	{"bench", []string{"github.com/klauspost/cpuid/v2"}},
	{"scenarios", []string{"gopkg.in/yaml.v3"}},
	{"kernels/gemm", []string{"golang.org/x/sys/cpu"}},
	{"results", nil},
	{"internal/packed", nil},
	{"internal/safetensors", nil},
	{"internal/demo", nil},
	{"internal/stage", nil},
	{"internal/launch", nil},
	{"internal/sharedtest", nil},
	{"internal/fuzztest", nil},
	{"internal/softmax", nil},
	{"internal/tokenizer", []string{"github.com/dlclark/regexp2", "golang.org/x/text/unicode/norm"}},
	{"kernels", []string{"internal/packed"}},
	{"internal/linalg", []string{"kernels/gemm", "gonum.org/v1/gonum/mat",
		"gonum.org/v1/gonum/blas", "gonum.org/v1/gonum/blas/blas64", "gonum.org/v1/gonum/lapack/gonum", "gonum.org/v1/gonum/lapack/lapack64"}},
	{"internal/model", []string{"internal/safetensors"}},
	{"internal/corpus", []string{"internal/tokenizer"}},
	{"internal/artefact", []string{"internal/packed", "internal/safetensors"}},
	{"internal/foreign", []string{"internal/packed", "internal/safetensors",
		"github.com/nlpodyssey/gopickle/pickle", "github.com/nlpodyssey/gopickle/types"}},
	{"results/keys", []string{"results"}},
	{"results/summary", []string{"results", "results/keys", "github.com/montanaflynn/stats", "gonum.org/v1/gonum/stat", "gonum.org/v1/gonum/stat/distuv"}},
	{"kernels/cpu", []string{"kernels", "kernels/gemm", "internal/packed", "golang.org/x/sys/cpu"}},
	{"kernels/kerneltest", []string{"kernels", "internal/packed", "gonum.org/v1/gonum/mat"}},
	{"internal/compress/grid", numerics[:3]},
	{"internal/compress/kmeans", numerics[:3]},
	{"internal/compress/compensate", numerics[:3]},
	{"internal/compress/quanttest", []string{"internal/safetensors", "internal/sharedtest", "internal/packed", "internal/linalg", "kernels/gemm"}},
	{"internal/compress/int4", numerics},
	{"internal/compress/nf4", numerics},
	{"internal/compress/gptq", numerics},
	{"internal/compress/svd", numerics},
	{"internal/compress/asvd", append([]string{"internal/compress/svd"}, numerics...)},
	{"internal/compress/svdllm", append([]string{"internal/compress/svd"}, numerics...)},
	{"internal/compress/twopath", append([]string{"internal/compress/svd", "internal/compress/nf4"}, numerics...)},
	{"internal/compress/sketchtune", numerics},
	{"internal/compress/squeezellm", numerics},
	{"internal/compress/ultrasketch", numerics},
	{"internal/compress/hashed", numerics[:3]},
	{"internal/compress/hashednets", []string{"internal/packed", "internal/compress/hashed"}},
	{"internal/compress/robe", []string{"internal/packed", "internal/compress/hashed"}},
	{"internal/compress/rzlinear", []string{"internal/packed", "internal/compress/hashed"}},
	{"internal/compress/countsketch", []string{"internal/packed", "internal/compress/hashed"}},
	{"internal/compress/countmin", []string{"internal/compress/hashed"}},
	{"internal/compress/minmax", []string{"internal/compress/hashed"}},
	{"internal/compress/binarize", numerics},
	{"internal/compress/billm", append([]string{"internal/compress/binarize"}, numerics...)},
	{"internal/compress/stbllm", append([]string{"internal/compress/binarize"}, numerics...)},
	{"internal/compress/pbllm", numerics},
	{"internal/compress/onebit", numerics},
	{"results/table", []string{"results", "results/keys", "results/summary", "github.com/olekukonko/tablewriter",
		"github.com/olekukonko/tablewriter/renderer", "github.com/olekukonko/tablewriter/tw"}},
	{"internal/engine", []string{"internal/model", "internal/packed", "internal/artefact", "internal/safetensors", "kernels"}},
	{"internal/export", []string{"internal/engine", "internal/model", "internal/packed", "internal/safetensors", "kernels/gemm"}},
	{"internal/calib", []string{"internal/engine", "internal/model", "internal/packed", "kernels"}},
	{"suites/perplexity", []string{"internal/softmax"}},
	{"suites/divergence", []string{"internal/softmax"}},
	{"suites/approx", []string{"internal/packed", "internal/linalg", "internal/compress/kmeans", "kernels/gemm"}},
	{"suites/latency", []string{"bench"}},
	{"suites/kernelspeed", []string{"bench", "kernels", "internal/packed"}},
	{"suites/memory", []string{"internal/packed", "internal/artefact"}},
	{"internal/subject", []string{"kernels", "kernels/cpu", "kernels/gemm",
		"internal/packed", "internal/safetensors", "internal/demo", "internal/stage", "internal/tokenizer",
		"internal/linalg", "internal/model", "internal/corpus", "internal/artefact", "internal/foreign", "internal/engine", "internal/calib",
		"internal/compress/compensate", "internal/compress/grid", "internal/compress/int4", "internal/compress/nf4", "internal/compress/gptq", "internal/compress/svd", "internal/compress/asvd", "internal/compress/svdllm",
		"internal/compress/twopath",
		"internal/compress/sketchtune", "internal/compress/squeezellm", "internal/compress/ultrasketch",
		"internal/compress/hashed", "internal/compress/hashednets", "internal/compress/robe", "internal/compress/rzlinear",
		"internal/compress/countsketch", "internal/compress/countmin", "internal/compress/minmax",
		"internal/compress/binarize", "internal/compress/billm", "internal/compress/stbllm", "internal/compress/pbllm", "internal/compress/onebit"}},
	{"suites", []string{"internal/subject", "internal/demo", "internal/packed", "kernels/gemm",
		"internal/engine", "internal/model", "kernels", "results", "bench", "scenarios",
		"suites/perplexity", "suites/divergence", "suites/approx", "suites/latency", "suites/memory", "suites/kernelspeed"}},
	{"internal/plan", []string{"scenarios", "suites", "internal/subject", "internal/model", "internal/stage"}},
	{"internal/runner", []string{"scenarios", "internal/plan", "suites", "internal/subject", "internal/stage", "internal/launch", "bench", "results"}},
	{"cmd/sketchbench", []string{"scenarios", "internal/launch", "suites", "internal/plan", "internal/runner", "bench", "results",
		"results/keys", "results/summary", "results/table", "internal/artefact", "internal/stage", "internal/subject", "internal/export", "kernels/cpu",
		"github.com/spf13/cobra", "github.com/vbauerster/mpb/v8", "github.com/vbauerster/mpb/v8/decor", "golang.org/x/term"}},
}

// TestRules parses the import clauses of every non-test file, whatever its
// build tags. It reads the files itself, so that go test sees them change.
func TestRules(t *testing.T) {
	allowed := ruleMap(t)
	found := map[string]bool{}
	eachFile(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		found[pkg] = true
		ok, known := allowed[pkg]
		if !known {
			t.Errorf("%s: no rule for %s", path, pkg)
			return
		}
		for _, imp := range importsOf(t, path) {
			local, ours := strings.CutPrefix(imp, module)
			std := !ours && !strings.Contains(strings.Split(imp, "/")[0], ".")
			if !std && !slices.Contains(ok, local) {
				t.Errorf("%s: %s may not import %s", path, pkg, local)
			}
		}
	})
	for _, r := range rules {
		if !found[r.pkg] {
			t.Errorf("rule for %s: there is no such package", r.pkg)
		}
	}
}

// TestSize keeps files short enough to be read.
func TestSize(t *testing.T) {
	const limit = 450
	eachFile(t, func(path, _ string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b), "// Code generated") {
			return
		}
		if n := strings.Count(string(b), "\n"); n > limit {
			t.Errorf("%s: %d lines, want at most %d", path, n, limit)
		}
	})
}

func ruleMap(t *testing.T) map[string][]string {
	allowed := map[string][]string{}
	for _, r := range rules {
		for _, imp := range r.imports {
			if _, below := allowed[imp]; !below && !strings.Contains(strings.Split(imp, "/")[0], ".") {
				t.Errorf("rule for %s: %s is not listed above it", r.pkg, imp)
			}
		}
		allowed[r.pkg] = r.imports
	}
	return allowed
}

// eachFile calls f with every Go file of the module and its package's path.
func eachFile(t *testing.T, f func(path, pkg string)) {
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			f(path, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func importsOf(t *testing.T, path string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var imps []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		imps = append(imps, imp)
	}
	return imps
}
