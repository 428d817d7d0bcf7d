package plan

import (
	"path"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/internal/subject"
	"github.com/sketchbench/sketchbench/scenarios"
)

// selectCases keeps the cases of a pattern or of a K/N share, which may be
// empty. The baseline of a pattern stays only if the pattern names it.
func (p *Plan) selectCases(sel string) error {
	if sel == "" {
		return nil
	}
	fault := func(format string, args ...any) error {
		f := &scenarios.Faults{Path: p.Scenario.Path}
		f.Add(scenarios.Pos{}, "--cases: "+format, args...)
		return f
	}
	share, of, isShare := parseShare(sel)
	if isShare && (share < 1 || share > of) {
		return fault("%s, want K/N with 1 <= K <= N", sel)
	}
	var kept []*subject.Case
	var labels []string
	for i, c := range p.Cases {
		labels = append(labels, c.Label)
		if isShare && i%of == share-1 || !isShare && Named(c, sel) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 && !isShare {
		return fault("%q selects none of %s", sel, strings.Join(labels, "; "))
	}
	p.Cases = kept
	return nil
}

// parseShare reads K/N.
func parseShare(sel string) (k, n int, ok bool) {
	first, second, _ := strings.Cut(sel, "/")
	k, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	return k, n, err1 == nil && err2 == nil
}

// Named reports whether a pattern fits the label, the id or the method of a
// case. Unlike in names of files, * also stands for slashes.
func Named(c *subject.Case, pattern string) bool {
	plain := strings.NewReplacer("/", "\x00")
	for _, name := range []string{c.Label, c.ID, c.Method.Name} {
		if ok, err := path.Match(plain.Replace(pattern), plain.Replace(name)); ok && err == nil {
			return true
		}
	}
	return false
}
