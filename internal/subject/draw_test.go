package subject

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sketchbench/sketchbench/internal/compress/int4"
	"github.com/sketchbench/sketchbench/internal/packed"
)

// TestDraw: every method draws a sound matrix of the bytes that it says, in the
// kind that it compresses to; the seed decides which. Where the defaults do not
// fit a shape, other options must.
func TestDraw(t *testing.T) {
	for i := range methods {
		m := &methods[i]
		if m.Source != nil {
			if err := (&Case{Method: m, Options: m.New()}).CheckShape(64, 128); err == nil {
				t.Errorf("%s: a drawn matrix is taken", m.Name)
			}
			continue
		}
		for _, shape := range [][2]int{{64, 128}, {40, 72}, {33, 130}} {
			out, in := shape[0], shape[1]
			options := append([]any{m.New()}, fixtureOf(t, m.Name).sizes...)
			fits := slices.IndexFunc(options, func(o any) bool { return m.CheckShape(o, out, in) == nil })
			if fits < 0 {
				t.Errorf("%s: %v", m.Name, m.CheckShape(options[0], out, in))
				continue
			}
			c := &Case{Method: m, Options: options[fits]}
			w := c.Draw(out, in, 1)
			if err := w.Check(); err != nil || w.Kind() != fixtureOf(t, m.Name).kinds[0] {
				t.Errorf("%s: %s, %v", m.Name, w.Kind(), err)
			}
			want := m.StoredBytes(c.Options, out, in)
			if m.Name == "dense" {
				want = 2 * int64(out) * int64(in)
			}
			if o, i := w.Dims(); o != out || i != in || w.Bytes() != want {
				t.Errorf("%s: %d×%d of %d bytes, want %d×%d of %d", m.Name, o, i, w.Bytes(), out, in, want)
			}
			same, other := c.Draw(out, in, 1), c.Draw(out, in, 2)
			if !bytes.Equal(w.Parts()[0].Data, same.Parts()[0].Data) || bytes.Equal(w.Parts()[0].Data, other.Parts()[0].Data) {
				t.Errorf("%s: the seed does not decide what is drawn", m.Name)
			}
		}
	}
}

// TestDrawMatch: svd at another method's bytes draws the rank that fits.
func TestDrawMatch(t *testing.T) {
	target, _ := LookupMethod("int4")
	method, _ := LookupMethod("svd")
	c := &Case{Method: method, Options: method.New(), Target: &Target{Method: target, Options: &int4.Options{Bits: 4, Group: 128}}}
	// int4: 64 rows of 64 bytes of codes, a scale and half a byte of zero:
	// 64·66.5 = 4256 bytes; a rank takes 2·(64+128) = 384: 11 of them fit.
	w := c.Draw(64, 128, 0).(*packed.LowRank)
	if err := c.CheckShape(64, 128); err != nil || w.Rank != 11 {
		t.Errorf("rank %d, %v, want 11", w.Rank, err)
	}
	if err := c.CheckShape(1, 2); err == nil {
		t.Error("a matrix too small for rank 1 is taken")
	}
}
