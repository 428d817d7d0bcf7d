package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Bounds of what a config may ask for, far above any model: the product of any
// two sizes fits an int, and a list of all tensors fits in memory.
const (
	maxSize   = 1 << 24
	maxLayers = 1 << 12
)

// fields are the members of one JSON object; what is wrong with them gathers
// in faults. A member that is null counts as absent, as in transformers.
type fields struct {
	name   string // prefix of every fault, file and outer field
	raw    map[string]json.RawMessage
	faults []error
}

// decodeFields reads one JSON object and nothing behind it.
func decodeFields(name string, b []byte) (*fields, error) {
	f := &fields{name: name + ": "}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&f.raw); err != nil {
		return nil, fmt.Errorf("%s: not a JSON object: %w", name, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: text after the JSON object at byte %d", name, dec.InputOffset())
	}
	if f.raw == nil {
		return nil, fmt.Errorf("%s: null, want a JSON object", name)
	}
	return f, nil
}

func (f *fields) bad(key, format string, args ...any) {
	f.faults = append(f.faults, fmt.Errorf("%s%s: %s", f.name, key, fmt.Sprintf(format, args...)))
}

func (f *fields) has(key string) bool {
	b, ok := f.raw[key]
	return ok && string(b) != "null"
}

func (f *fields) isObject(key string) bool { return f.has(key) && f.raw[key][0] == '{' }

// keys lists the members in order, so that faults come in one order.
func (f *fields) keys() []string {
	var keys []string
	for key := range f.raw {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// decode reads a member into v; a fault says what was wanted.
func (f *fields) decode(key string, v any, want string) bool {
	if err := json.Unmarshal(f.raw[key], v); err != nil {
		f.bad(key, "%s, want %s", f.excerpt(key), want)
		return false
	}
	return true
}

// excerpt is a member in one line of at most 60 characters, for a message.
func (f *fields) excerpt(key string) string {
	s := bytes.Join(bytes.Fields(f.raw[key]), []byte(" "))
	if r := []rune(string(s)); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return string(s)
}

// size reads a required whole number from 1 to max; 0 after a fault.
func (f *fields) size(key string, max int) int {
	if !f.has(key) {
		f.bad(key, "missing")
		return 0
	}
	var n int
	if !f.decode(key, &n, "a whole number") {
		return 0
	}
	if n < 1 || n > max {
		f.bad(key, "%d, want 1 to %d", n, max)
		return 0
	}
	return n
}

func (f *fields) sizeOr(key string, def int) int {
	if !f.has(key) {
		return def
	}
	return f.size(key, maxSize)
}

// positive reads a required positive finite number; NaN after a fault.
func (f *fields) positive(key string) float64 {
	if !f.has(key) {
		f.bad(key, "missing")
		return math.NaN()
	}
	var x float64
	if !f.decode(key, &x, "a number") {
		return math.NaN()
	}
	if !(x > 0) {
		f.bad(key, "%g, want a positive number", x)
	}
	return x
}

func (f *fields) boolean(key string, def bool) bool {
	if f.has(key) {
		f.decode(key, &def, "true or false")
	}
	return def
}

func (f *fields) text(key, def string) string {
	if f.has(key) {
		f.decode(key, &def, "a name")
	}
	return def
}

// mustBe refuses a member that is present with another value than want.
func (f *fields) mustBe(key string, want float64) {
	x := want
	if f.has(key) && f.decode(key, &x, "a number") && x != want {
		f.bad(key, "%g is not implemented, want %g", x, want)
	}
}

// ids reads a token id or a list of them.
func (f *fields) ids(key string) []int {
	if !f.has(key) {
		return nil
	}
	var one int
	if json.Unmarshal(f.raw[key], &one) == nil {
		return []int{one}
	}
	var many []int
	f.decode(key, &many, "a token id or a list of them")
	return many
}

// object reads a member that is an object. Its faults are its own until the
// caller takes them.
func (f *fields) object(key string) (*fields, bool) {
	sub := &fields{name: f.name + key + "."}
	return sub, f.decode(key, &sub.raw, "an object")
}
