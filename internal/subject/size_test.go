package subject

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/svd"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestFit: whatever the target, a method that fits keeps within it, takes as
// much again where it may take just that, and never less where it may take
// more; what is too little is refused with the bytes that would do.
func TestFit(t *testing.T) {
	for i := range methods {
		m := &methods[i]
		if (m.Fit != nil) != (len(m.Knobs) > 0) {
			t.Errorf("%s: Fit without Knobs, or Knobs without Fit", m.Name)
		}
		if m.Fit == nil {
			continue
		}
		for _, knob := range m.Knobs {
			if _, ok := Params(m.New())[knob]; !ok {
				t.Errorf("%s: knob %q is no option", m.Name, knob)
			}
		}
		for _, shape := range [][2]int{{64, 256}, {256, 64}, {96, 768}} {
			out, in := shape[0], shape[1]
			var last int64
			fitted := 0
			for bits := 0.05; bits < 40; bits *= 1.3 {
				target := int64(bits * float64(out) * float64(in) / 8)
				o, err := m.Fit(m.New(), out, in, target)
				if err != nil {
					if last > 0 {
						t.Errorf("%s %d×%d: %d bytes fit, %d do not: %v", m.Name, out, in, last, target, err)
					}
					continue
				}
				fitted++
				if err := m.CheckShape(o, out, in); err != nil {
					t.Errorf("%s %d×%d at %d bytes: %v", m.Name, out, in, target, err)
					continue
				}
				got := m.StoredBytes(o, out, in)
				if got > target || got < last {
					t.Errorf("%s %d×%d: %d bytes where %d are allowed and %d fitted before: %+v", m.Name, out, in, got, target, last, o)
				}
				again, err := m.Fit(m.New(), out, in, got)
				if err != nil || m.StoredBytes(again, out, in) != got {
					t.Errorf("%s %d×%d: %d bytes do not fit into themselves: %+v, %v", m.Name, out, in, got, again, err)
				}
				last = got
			}
			if fitted == 0 {
				t.Errorf("%s %d×%d: no size fits", m.Name, out, in)
			}
			if _, err := m.Fit(m.New(), out, in, 1); err == nil || !strings.ContainsAny(err.Error(), "0123456789") {
				t.Errorf("%s: one byte fits a %d×%d matrix: %v", m.Name, out, in, err)
			}
		}
	}
}

// TestBytesTarget: a size in bits per weight holds for every matrix, or for all
// together, and then the ranks use bytes that no single matrix could.
func TestBytesTarget(t *testing.T) {
	m := tinyModel(t)
	e := newEnv(t, m, 2)
	const bits = 1.26
	total := map[bool]int64{}
	for _, whole := range []bool{false, true} {
		c := newCase[svd.Options](t, "svd", nil)
		c.Params["per"] = fmt.Sprint(whole) // another artefact
		c.Target = &Target{Bits: bits, WholeModel: whole}
		c.SpreadTarget(m.Config)
		if errs := c.CheckModel(m.Config); len(errs) > 0 {
			t.Fatal(errs)
		}
		s := open(t, e, c)
		target, reached, ok, err := s.Size()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		var want, stored int64
		for layer := range m.Config.Layers {
			for _, spec := range m.Config.Linears(layer) {
				n := int64(math.Floor(bits * float64(spec.Out*spec.In) / 8))
				want += n
				w, err := s.Artefact.Weight(spec.Name)
				if err != nil {
					t.Fatal(err)
				}
				stored += w.Bytes()
				if !whole && w.Bytes() > n {
					t.Errorf("%s: %d bytes, want at most %d", spec.Name, w.Bytes(), n)
				}
				if w.(*packed.LowRank).Rank < 1 || math.Abs(c.NominalBits(spec)-bits) > 0.01 {
					t.Errorf("%s: nominal bits %v", spec.Name, c.NominalBits(spec))
				}
			}
		}
		if target != want || reached != stored || reached > target {
			t.Errorf("whole %v: target %d, reached %d; want %d and %d", whole, target, reached, want, stored)
		}
		total[whole] = reached
	}
	if total[true] <= total[false] {
		t.Errorf("together %d bytes, matrix by matrix %d", total[true], total[false])
	}
	t.Logf("matrix by matrix %d bytes, together %d", total[false], total[true])
	if _, _, ok, err := open(t, e, defaultCase(t, "svd")).Size(); ok || err != nil {
		t.Errorf("a case without a target has a size: %v, %v", ok, err)
	}
}

// TestLeastBits: the size that a refusal names fits every matrix, and hardly
// less does; where nothing within the limit fits, none is named.
func TestLeastBits(t *testing.T) {
	cfg := tinyModel(t).Config
	for i := range methods {
		m := &methods[i]
		if m.Fit == nil {
			continue
		}
		for _, whole := range []bool{false, true} {
			c := &Case{Method: m, Options: m.New(), Target: &Target{Bits: 0.0001, WholeModel: whole}}
			least, ok := c.LeastBits(cfg, 64)
			if !ok {
				t.Errorf("%s: nothing fits in 64 bits", m.Name)
				continue
			}
			refused := func(bits float64) bool {
				c.Target.Bits = bits
				c.SpreadTarget(cfg)
				for _, err := range c.CheckModel(cfg) {
					if strings.HasPrefix(err.Error(), "bytes:") {
						return true
					}
				}
				return false
			}
			if refused(least) || !refused(0.98*least) {
				t.Errorf("%s, whole %v: refused at %.4g bits: %v, at 2 %% less: %v", m.Name, whole, least, refused(least), refused(0.98*least))
			}
			if _, ok := c.LeastBits(cfg, 0.9*least); ok {
				t.Errorf("%s: fits within a limit of %.4g bits", m.Name, 0.9*least)
			}
		}
	}
}
