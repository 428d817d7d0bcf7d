package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sketchbench/sketchbench/scenarios"
)

// startField splits the field, and its index or -1, off the start of a fault
// such as "prompt[1]: 0, want at least 1".
func startField(err error) (name string, index int) {
	name, _, found := strings.Cut(err.Error(), ":")
	if !found || strings.Contains(name, " ") {
		return "", -1
	}
	name, at, found := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	if index, err := strconv.Atoi(at); found && err == nil {
		return name, index
	}
	return name, -1
}

// fieldPos finds the place of the field that a fault starts with.
func fieldPos(n scenarios.Node, otherwise scenarios.Pos, err error) scenarios.Pos {
	name, index := startField(err)
	v := n
	for _, key := range strings.Split(name, ".") {
		v = v.Field(key)
	}
	switch {
	case v.Kind == scenarios.Absent:
		return otherwise
	case index >= 0 && index < len(v.Items):
		return v.Items[index].Pos
	}
	return v.Pos
}

// fieldMessage puts the path of a method or suite before a fault: path.field
// for a fault that starts with a field.
func fieldMessage(path string, err error) string {
	if name, _ := startField(err); name != "" {
		return path + "." + err.Error()
	}
	return path + ": " + err.Error()
}

// failedFields lists the fields below path that have faults of their own, such
// as bits, prompt[1] or corpus.file. Unknown fields are not among them.
func failedFields(list []scenarios.Fault, path string) []string {
	var fields []string
	for _, f := range list {
		if rest, ok := strings.CutPrefix(f.Message, path+"."); ok {
			field, _, _ := strings.Cut(rest, ":")
			fields = append(fields, field)
		}
	}
	return fields
}

// follows reports whether a fault of decoded options only follows from a field
// that could not be decoded and so kept its default.
func follows(failed []string, err error) bool {
	field, _, _ := strings.Cut(err.Error(), ":")
	return slices.ContainsFunc(failed, func(f string) bool {
		if f == "corpus.join" { // the text itself is known
			return strings.HasPrefix(field, "corpus ")
		}
		return field == f || below(field, f) || below(f, field)
	})
}

// below reports whether a is an item or a field of b.
func below(a, b string) bool {
	return strings.HasPrefix(a, b+"[") || strings.HasPrefix(a, b+".")
}

// tooFew names a value that is too small for some of the model's matrices.
type tooFew struct {
	pos   scenarios.Pos
	field string
}

var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?`)

// wanted is the last number of a fault: what a matrix needs.
func wanted(message string) float64 {
	all := number.FindAllString(message, -1)
	if len(all) == 0 {
		return 0
	}
	x, _ := strconv.ParseFloat(all[len(all)-1], 64) // of the form that the pattern allows
	return x
}

// shapeFault adds a fault of a case on the model's matrices. Of a size that is
// too small for several, only the one that needs most is told.
func (x *expander) shapeFault(pos scenarios.Pos, field, message string) {
	if field != "bits" && field != "match" && field != "bytes" {
		x.faults.Add(pos, "%s", message)
		return
	}
	if x.tooFew == nil {
		x.tooFew = map[tooFew]int{}
	}
	key := tooFew{pos, field}
	i, ok := x.tooFew[key]
	switch {
	case !ok:
		x.tooFew[key] = len(x.faults.List)
		x.faults.Add(pos, "%s", message)
	case wanted(message) > wanted(x.faults.List[i].Message):
		x.faults.List[i].Message = message
	}
}
