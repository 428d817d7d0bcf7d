package subject

import (
	"runtime"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/sketchtune"
	"github.com/sketchbench/sketchbench/kernels/cpu"
	"github.com/sketchbench/sketchbench/kernels/gemm"
)

// TestGolden holds the artefacts of a small model on portable kernels to their
// hashes. Cached artefacts are found by the versions of what made them: when
// output changes, so must the method's Version, or walkVersion if it is the
// moments that changed. Then write the new hash here.
func TestGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the compiler may fuse products and sums elsewhere")
	}
	e := newEnv(t, tinyModel(t), 2)
	e.Gemm.ISA = gemm.Generic
	dev, err := cpu.New(cpu.Options{ISA: gemm.Generic, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	e.Device = dev
	three := newCase(t, "sketchtune", func(o *sketchtune.Options) { o.Bits, o.GPR, o.Start = 3, 4, "exact" })
	three.Label = "sketchtune 3 bits"
	want := map[string]string{
		"int4": "1e13025f537332b9", "svd": "e44649904c700973", "sketchtune": "2be4e40cfac32af7",
		"sketchtune 3 bits": "56367598328584f2", "ultrasketch": "71beec5c4a549323",
	}
	for _, c := range []*Case{defaultCase(t, "int4"), defaultCase(t, "svd"), defaultCase(t, "sketchtune"), three, defaultCase(t, "ultrasketch")} {
		if got := open(t, e, c).Artefact.Hash()[:16]; got != want[c.Label] {
			t.Errorf("%s version %d: hash %s, want %s", c.Label, c.Method.Version, got, want[c.Label])
		}
	}
}
