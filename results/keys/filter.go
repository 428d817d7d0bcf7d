package keys

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Filter chooses lines: those for which all conditions of any of its alternatives hold. The
// zero value chooses all.
type Filter struct {
	alternatives [][]condition
	exprs        []string
}

// A condition compares the value of one key.
type condition struct {
	key, op, want string
	number        float64 // of want, for the operators < <= > >=
}

// operators in the order in which they are looked for: none before one that begins with it.
var operators = []string{"!=", "!~", "<=", ">=", "=", "~", "<", ">"}

// ParseFilter reads expressions, each conditions with commas between, all of which must hold; of
// several expressions one is enough. A condition is KEY OP VALUE without spaces: = and != compare
// numbers as numbers and else as text, ~ and !~ match a pattern with * and ? over the whole value,
// < <= > >= compare numbers. A value with a comma stands in double quotes. The error
// holds every fault.
func ParseFilter(exprs []string) (Filter, error) {
	f := Filter{exprs: exprs}
	var faults []error
	for _, expr := range exprs {
		var all []condition
		for _, part := range splitList(expr) {
			c, err := parseCondition(part)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", expr, err))
			}
			all = append(all, c)
		}
		f.alternatives = append(f.alternatives, all)
	}
	return f, errors.Join(faults...)
}

// splitList splits s at commas outside double quotes.
func splitList(s string) []string {
	var parts []string
	quoted, start := false, 0
	for i, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func parseCondition(s string) (condition, error) {
	i := strings.IndexAny(s, "=!~<>")
	if i <= 0 {
		return condition{}, fmt.Errorf("%q, want KEY=VALUE, or != ~ !~ < <= > >= for =", s)
	}
	at := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(s[i:], op) })
	if at < 0 {
		return condition{}, fmt.Errorf("%q: no operator %q, want one of = != ~ !~ < <= > >=", s, s[i:i+1])
	}
	c := condition{key: strings.TrimSpace(s[:i]), op: operators[at]}
	c.want = strings.TrimSpace(s[i+len(c.op):])
	if n := len(c.want); n >= 2 && c.want[0] == '"' && c.want[n-1] == '"' {
		c.want = c.want[1 : n-1]
	} else if strings.Contains(c.want, `"`) {
		return condition{}, fmt.Errorf("%q: a double quote that is not at both ends of the value", s)
	}
	if strings.ContainsAny(c.op, "<>") {
		var err error
		if c.number, err = strconv.ParseFloat(c.want, 64); err != nil {
			return condition{}, fmt.Errorf("%q: %q is no number", s, c.want)
		}
	}
	return c, nil
}

// IsZero reports whether f chooses all.
func (f Filter) IsZero() bool { return len(f.alternatives) == 0 }

// Keys returns the keys that f asks for.
func (f Filter) Keys() []string {
	var keys []string
	for _, all := range f.alternatives {
		for _, c := range all {
			if !slices.Contains(keys, c.key) {
				keys = append(keys, c.key)
			}
		}
	}
	return keys
}

// String returns f as it was written.
func (f Filter) String() string { return strings.Join(f.exprs, " or ") }

// Match reports whether f chooses a line of which get returns the values. A condition on
// a key that get calls free holds.
func (f Filter) Match(get func(key string) (value string, free bool)) bool {
	return f.IsZero() || slices.ContainsFunc(f.alternatives, func(all []condition) bool {
		return !slices.ContainsFunc(all, func(c condition) bool {
			value, free := get(c.key)
			return !free && !c.holds(value)
		})
	})
}

// holds reports whether c holds for a value; a key that a line lacks has the empty one.
func (c condition) holds(got string) bool {
	switch c.op {
	case "=":
		return same(got, c.want)
	case "!=":
		return !same(got, c.want)
	case "~":
		return glob(c.want, got)
	case "!~":
		return !glob(c.want, got)
	}
	v, err := strconv.ParseFloat(got, 64)
	switch {
	case err != nil:
		return false
	case c.op == "<":
		return v < c.number
	case c.op == "<=":
		return v <= c.number
	case c.op == ">":
		return v > c.number
	}
	return v >= c.number
}

// same compares numbers as numbers.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// glob reports whether pattern matches all of s; * stands for any run of characters, slashes
// included, ? for one.
func glob(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	star, mark := -1, 0 // the last * and how far it reaches
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}
