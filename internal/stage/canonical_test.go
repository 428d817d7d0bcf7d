package stage

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	type options struct {
		Bits  float64
		Start string
		Skip  []int `json:",omitempty"`
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{map[string]any{"b": 1, "a": []any{true, nil, "x"}}, `{"a":[true,null,"x"],"b":1}`},
		{options{Bits: 4, Start: "a<b&\u00fc\n"}, `{"Bits":4,"Start":"a<b&ü\n"}`},
		{4.0, `4`},
		{json.RawMessage(`4.0e0`), `4`},
		{json.RawMessage(` { "z" : -0 , "a" : -0.0 } `), `{"a":0,"z":0}`},
		{0.1, `0.1`},
		{float32(0.1), `0.1`},
		{1e21, `1e+21`},
		{json.RawMessage(`1000e18`), `1e+21`},
		{1e-7, `1e-07`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{int64(math.MinInt64), `-9223372036854775808`},
		{math.SmallestNonzeroFloat64, `5e-324`},
		{map[string]int{"é": 1, "z": 2, "Z": 3, "": 4}, `{"":4,"Z":3,"z":2,"é":1}`},
		{[]string{}, `[]`},
	} {
		got, err := Canonical(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("%v: %s, %v, want %s", c.v, got, err, c.want)
		}
		// It is JSON, and its own canonical form.
		again, err := Canonical(json.RawMessage(got))
		if err != nil || string(again) != c.want {
			t.Errorf("%s again: %s, %v", got, again, err)
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), json.RawMessage(`1e999`), func() {}} {
		if b, err := Canonical(v); err == nil {
			t.Errorf("%T passed: %s", v, b)
		}
	}
}

func TestKey(t *testing.T) {
	hash, preimage, err := Key("artefact", map[string]any{"seed": 1})
	if err != nil || string(preimage) != `{"key":{"seed":1},"stage":"artefact"}` {
		t.Fatalf("%s, %v", preimage, err)
	}
	// printf '{"key":{"seed":1},"stage":"artefact"}' | sha256sum
	if want := "b1dbb3921f79ab3a5d53c3c35d2d914925a0f924fa2b15b55f1ff05bd280dec9"; hash != want {
		t.Errorf("hash %s, want %s", hash, want)
	}
	if b, err := Canonical(map[string]any{"stage": "artefact", "key": map[string]any{"seed": 1.0}}); err != nil || hashOf(b) != hash {
		t.Errorf("hash of %s, %v, want %s", b, err, hash)
	}
	other, _, _ := Key("tokens", map[string]any{"seed": 1})
	if other == hash {
		t.Error("two stages share a hash")
	}
	for _, name := range []string{"", "../x", "A", "a/b"} {
		if _, _, err := Key(name, 1); err == nil || !strings.Contains(err.Error(), "want a name") {
			t.Errorf("stage %q: %v", name, err)
		}
	}
}
