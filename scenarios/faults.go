package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// A Pos is a place in a scenario file. Line and Col count from 1; 0 is unknown.
type Pos struct{ Line, Col int }

// A Fault is one thing wrong with a scenario.
type Fault struct {
	Pos
	Message string // the field, what was got and what was wanted
}

// Faults is every fault of one scenario file, as an error.
type Faults struct {
	Path string
	List []Fault
}

// Add appends a fault at pos.
func (f *Faults) Add(pos Pos, format string, args ...any) {
	f.List = append(f.List, Fault{pos, fmt.Sprintf(format, args...)})
}

// Err returns f sorted by place, or nil without faults.
func (f *Faults) Err() error {
	if len(f.List) == 0 {
		return nil
	}
	slices.SortStableFunc(f.List, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return f
}

// Error lists the faults one to a line as path:line:column: message.
func (f *Faults) Error() string {
	var b strings.Builder
	for i, x := range f.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case x.Line == 0:
			fmt.Fprintf(&b, "%s: %s", f.Path, x.Message)
		default:
			fmt.Fprintf(&b, "%s:%d:%d: %s", f.Path, x.Line, x.Col, x.Message)
		}
	}
	return b.String()
}

// DidYouMean returns `; did you mean "x"?` for the known word nearest to got,
// or "" when none is near: at most a third of its letters away.
func DidYouMean(got string, known []string) string {
	best, bestDist := "", len(got)/3+2
	for _, k := range known {
		if max(len(got)-len(k), len(k)-len(got)) >= bestDist {
			continue // as many letters must come or go
		}
		if d := distance(got, k); d < bestDist {
			best, bestDist = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
