package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Decode fills the struct that into points to from the fields of n, strictly:
// an unknown field, a wrong kind of value or a bad unit is a fault. Struct
// fields are named by their yaml tag; those that n lacks keep their values.
// The path, such as `methods[2]`, names n in messages.
//
// Field types: bool, int, int64, uint64, float64, string, time.Duration,
// slices of these (a scalar is a list of one), pointers to structs of such
// fields, which are nil where the field is absent, and types whose pointer has
// the method DecodeScenario(Node, path string, *Faults).
func Decode(n Node, path string, into any, faults *Faults) {
	v := reflect.ValueOf(into).Elem()
	if n.Kind != Map {
		if n.Kind != Absent {
			if path == "" {
				path = "the file"
			}
			faults.Add(n.Pos, "%s: got %v, want a mapping", path, n.Kind)
		}
		return
	}
	names, index := FieldNames(into), map[string]int{}
	for i := range v.NumField() {
		index[tagName(v.Type().Field(i))] = i
	}
	for _, f := range n.Fields {
		i, ok := index[f.Key]
		if !ok || f.Key == "" {
			faults.Add(f.Pos, "unknown field %q%s%s", f.Key, in(path), DidYouMean(f.Key, names))
			continue
		}
		decodeValue(f.Value, join(path, f.Key), v.Field(i), faults)
	}
}

// FieldNames returns the scenario names of the fields of the struct that v
// points to, in order.
func FieldNames(v any) []string {
	t := reflect.TypeOf(v).Elem()
	var names []string
	for i := range t.NumField() {
		if n := tagName(t.Field(i)); n != "" {
			names = append(names, n)
		}
	}
	return names
}

func tagName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

type decoder interface {
	DecodeScenario(n Node, path string, faults *Faults)
}

var durationType = reflect.TypeFor[time.Duration]()

func decodeValue(n Node, path string, v reflect.Value, faults *Faults) {
	if d, ok := v.Addr().Interface().(decoder); ok {
		d.DecodeScenario(n, path, faults)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		Decode(n, path, v.Interface(), faults)
		return
	}
	if v.Kind() == reflect.Slice {
		items := n.Items
		if n.Kind == Scalar {
			items = []Node{n}
		} else if n.Kind != List {
			faults.Add(n.Pos, "%s: got %v, want a list", path, n.Kind)
			return
		}
		s := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			decodeValue(item, fmt.Sprintf("%s[%d]", path, i), s.Index(i), faults)
		}
		v.Set(s)
		return
	}
	if n.Kind != Scalar {
		faults.Add(n.Pos, "%s: got %v, want %s", path, n.Kind, typeWords(v.Type()))
		return
	}
	if n.Null {
		faults.Add(n.Pos, "%s: empty, want %s", path, typeWords(v.Type()))
		return
	}
	if err := setScalar(n, v); err != nil {
		faults.Add(n.Pos, "%s: %v", path, err)
	}
}

func setScalar(n Node, v reflect.Value) error {
	bad := func() error { return fmt.Errorf("%s, want %s", show(n), typeWords(v.Type())) }
	switch {
	case v.Kind() == reflect.String:
		v.SetString(n.Text)
		return nil
	case n.Quoted:
		return bad()
	case v.Type() == durationType:
		d, err := time.ParseDuration(n.Text)
		if err != nil {
			return bad()
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		if n.Text != "true" && n.Text != "false" {
			return bad()
		}
		v.SetBool(n.Text == "true")
	case reflect.Int, reflect.Int64:
		x, err := ParseCount(n.Text)
		if err != nil || v.OverflowInt(x) {
			return bad()
		}
		v.SetInt(x)
	case reflect.Uint64:
		x, err := strconv.ParseUint(n.Text, 10, 53)
		if err != nil {
			return bad()
		}
		v.SetUint(x)
	case reflect.Float64:
		x, err := ParseNumber(n.Text)
		if err != nil {
			return bad()
		}
		v.SetFloat(x)
	default:
		panic(fmt.Sprintf("scenarios: cannot decode into %v", v.Type()))
	}
	return nil
}

func show(n Node) string {
	if n.Quoted || n.Text == "" {
		return strconv.Quote(n.Text)
	}
	return n.Text
}

func typeWords(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a word"
	case t.Kind() == reflect.Float64:
		return "a number such as 0.5 or 0.5bpw"
	case t.Kind() == reflect.Uint64:
		return "a whole number from 0 to 2^53-1"
	}
	return "a whole number such as 128, 4k or 2Mi"
}

var countUnits = []struct {
	suffix string
	factor float64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"B", 1}, {"bpw", 1}, {"", 1},
}

// ParseCount reads a whole number with an optional unit: k, M, G are powers
// of 1000, Ki, Mi, Gi of 1024; a final B means bytes and bpw bits per weight,
// which change nothing.
func ParseCount(s string) (int64, error) {
	for _, u := range countUnits {
		num, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if x *= u.factor; err != nil || x != math.Trunc(x) || math.Abs(x) > 1<<53 {
			break
		}
		return int64(x), nil
	}
	return 0, fmt.Errorf("%q is not a whole number with an optional unit", s)
}

// ParseNumber reads a finite number, with an optional bpw (bits per weight).
func ParseNumber(s string) (float64, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "bpw")), 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return x, nil
}
