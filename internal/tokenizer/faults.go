package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// maxTold is the number of faults of a file that are told one by one.
const maxTold = 100

// faults collects what is wrong with one file.
type faults struct {
	file string
	list []error // the first maxTold
	more int     // how many there are besides
}

// all returns the faults, and as the last how many more there are.
func (f *faults) all() []error {
	if f.more == 0 {
		return f.list
	}
	return append(f.list, fmt.Errorf("%s: %d more faults", f.file, f.more))
}

// add records a fault at a JSON path, or another place, of the file.
func (f *faults) add(path, format string, args ...any) {
	if len(f.list) == maxTold {
		f.more++
		return
	}
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = path + ": " + message
	}
	f.list = append(f.list, fmt.Errorf("%s: %s", f.file, message))
}

// An object is a JSON object together with its place, read member by member.
type object struct {
	f       *faults
	path    string
	members map[string]json.RawMessage
}

// object reads raw as a JSON object. Members that are not among known are
// faults: they could mean something that is not implemented.
func (f *faults) object(path string, raw json.RawMessage, known ...string) (object, bool) {
	o := object{f: f, path: path}
	if err := json.Unmarshal(raw, &o.members); err != nil || o.members == nil {
		f.add(path, "%s, want an object", excerpt(raw))
		return o, false
	}
	var unknown []string
	for name := range o.members {
		if !contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	for _, name := range unknown {
		f.add(o.at(name), "not implemented")
	}
	return o, true
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// at is the path of a member.
func (o object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// null reports whether a member is absent or null.
func (o object) null(name string) bool {
	return isNull(o.members[name])
}

// maxNesting is how many lists may be around a part of the file. A Sequence in
// a Sequence is rare, and each level is decoded anew.
const maxNesting = 3

// tooDeep reports, as a fault, a path with more lists around it.
func (f *faults) tooDeep(path string) bool {
	deep := strings.Count(path, "[") > maxNesting
	if deep {
		f.add(path, "a Sequence nested more than %d deep is not implemented", maxNesting)
	}
	return deep
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
}

// into decodes a member; absent and null leave v alone. want names the type.
func (o object) into(name string, v any, want string) bool {
	if o.null(name) {
		return true
	}
	if err := json.Unmarshal(o.members[name], v); err != nil {
		o.f.add(o.at(name), "%s, want %s", excerpt(o.members[name]), want)
		return false
	}
	return true
}

func (o object) text(name string) string {
	var s string
	o.into(name, &s, "a string")
	return s
}

func (o object) flag(name string, absent bool) bool {
	b := absent
	o.into(name, &b, "true or false")
	return b
}

func (o object) list(name string) []json.RawMessage {
	var l []json.RawMessage
	o.into(name, &l, "a list")
	return l
}

// kind reads the member "type" of a tagged JSON object without judging the
// other members.
func kind(raw json.RawMessage) string {
	var tag struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &tag) != nil {
		return ""
	}
	return tag.Type
}

// excerpt is a short form of JSON for a message.
func excerpt(raw json.RawMessage) string {
	s := strings.Join(strings.Fields(string(raw)), " ")
	if s == "" {
		return "absent"
	}
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
