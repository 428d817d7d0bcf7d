package corpus

import (
	"encoding/json"
	"reflect"
	"testing"
)

// letters is an encoder by hand: 'a' is token 1, 'b' 2, …; anything else, such
// as the newlines of joining, is no token. bos -1 is none.
type letters struct{ bos int }

func (l letters) BOS() (int, bool) { return max(l.bos, 0), l.bos >= 0 }

func (l letters) Encode(text string) (ids []int, err error) {
	for _, r := range text {
		if 'a' <= r && r <= 'z' {
			ids = append(ids, int(r-'a')+1)
		}
	}
	return ids, nil
}

func TestParseRecipe(t *testing.T) {
	for _, c := range []struct {
		name string
		want Recipe
	}{
		{"gptq-2048", Recipe{GPTQ, 2048, Rows, 0}},
		{"bos-each-512", Recipe{BOSEach, 512, Rows, 0}},
		{"llamacpp-512h", Recipe{Llamacpp, 512, Raw, 0}},
		{"gptq-2", Recipe{GPTQ, 2, Rows, 0}},
	} {
		got, err := ParseRecipe(c.name)
		if err != nil || got != c.want || got.String() != c.name {
			t.Errorf("%s: %+v (%v), %v, want %+v", c.name, got, got, err, c.want)
		}
	}
	for _, c := range []struct{ name, want string }{
		{"gptq", `recipe "gptq", want one of gptq-L, bos-each-L, llamacpp-Lh (L tokens in a window)`},
		{"", `recipe "", want one of gptq-L, bos-each-L, llamacpp-Lh (L tokens in a window)`},
		{"gptq-", `recipe "gptq-", want gptq-L with L from 2 to 1048576`},
		{"gptq-0", `recipe "gptq-0", want gptq-L with L from 2 to 1048576`},
		{"gptq--5", `recipe "gptq--5", want gptq-L with L from 2 to 1048576`},
		{"gptq-+5", `recipe "gptq-+5", want gptq-L with L from 2 to 1048576`},
		{"gptq-0512", `recipe "gptq-0512", want gptq-L with L from 2 to 1048576`},
		{"gptq-512h", `recipe "gptq-512h", want gptq-L with L from 2 to 1048576`},
		{"gptq-99999999999999999999", `recipe "gptq-99999999999999999999", want gptq-L with L from 2 to 1048576`},
		{"llamacpp-512", `recipe "llamacpp-512", want llamacpp-Lh with L from 3 to 1048576`},
		{"llamacpp-2h", `recipe "llamacpp-2h", want llamacpp-Lh with L from 3 to 1048576`},
		{"bos-each-1", `recipe "bos-each-1", want bos-each-L with L from 2 to 1048576`},
	} {
		if _, err := ParseRecipe(c.name); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestCutByHand: a stream of ten tokens, abcdefghij = 1 … 10, BOS 99.
func TestCutByHand(t *testing.T) {
	for _, c := range []struct {
		recipe string
		first  int
		want   []Window
		tail   int
	}{
		// 11 tokens with BOS: two windows of 4, three left.
		{"gptq-4", 0, []Window{{[]int{99, 1, 2, 3}, 1, 0}, {[]int{4, 5, 6, 7}, 1, 4}}, 3},
		{"gptq-4", 1, []Window{{[]int{99, 1, 2, 3}, 1, 0}}, 3},
		{"bos-each-4", 0, []Window{{[]int{99, 1, 2, 3}, 1, 0}, {[]int{99, 4, 5, 6}, 1, 3}, {[]int{99, 7, 8, 9}, 1, 6}}, 1},
		// Tokens 3 and up of 0 … 3 are scored: L/2+1 = 3. Token 4 gives way to BOS.
		{"llamacpp-4h", 0, []Window{{[]int{99, 1, 2, 3}, 3, 0}, {[]int{99, 5, 6, 7}, 3, 4}}, 3},
		// 5/2 = 2.
		{"llamacpp-5h", 0, []Window{{[]int{99, 1, 2, 3, 4}, 3, 0}, {[]int{99, 6, 7, 8, 9}, 3, 5}}, 1},
	} {
		r, err := ParseRecipe(c.recipe)
		if err != nil {
			t.Fatal(err)
		}
		r.First = c.first
		set, err := r.Cut(letters{99}, "abcde\nfghij\n")
		if err != nil {
			t.Errorf("%s: %v", c.recipe, err)
			continue
		}
		if !reflect.DeepEqual(set.Windows, c.want) || set.Stats.DroppedTail != c.tail {
			t.Errorf("%s first %d: %v, tail %d, want %v, %d", c.recipe, c.first, set.Windows, set.Stats.DroppedTail, c.want, c.tail)
		}
	}
}

// TestCutStats: "ab\ncd\n" by rows is "ab\n\n\ncd\n", 8 bytes.
func TestCutStats(t *testing.T) {
	r := Recipe{GPTQ, 2, Rows, 1}
	set, err := r.Cut(letters{-1}, "ab\ncd\n")
	if err != nil {
		t.Fatal(err)
	}
	// sha256 of 01000000 02000000 03000000 04000000 by sha256sum.
	want := Stats{Bytes: 6, JoinedBytes: 8, Tokens: 4, StreamHash: "cf97adeedb59e05bfd73a2b4c2a8885708c4f4f70c84c64b27120e72ab733b72",
		Available: 2, Windows: 1, Scored: 1}
	if set.Stats != want {
		t.Errorf("%+v, want %+v", set.Stats, want)
	}
}

func TestCutErrors(t *testing.T) {
	for _, c := range []struct {
		recipe Recipe
		bos    int
		text   string
		want   string
	}{
		{Recipe{GPTQ, 8, Rows, 0}, 99, "abc", "recipe gptq-8: the text has 4 tokens, want at least 8 for one window"},
		{Recipe{GPTQ, 2, Rows, 3}, 99, "abc", "recipe gptq-2: windows: 3, but the text has 2"},
		{Recipe{BOSEach, 4, Rows, 0}, -1, "abc", "recipe bos-each-4 puts BOS before each window, but the tokenizer has no BOS"},
		{Recipe{Llamacpp, 4, Raw, 0}, -1, "abc", "recipe llamacpp-4h puts BOS before each window, but the tokenizer has no BOS"},
		{Recipe{GPTQ, 2, "row", 0}, 99, "abc", `join: "row", want one of rows, lines, raw`},
		{Recipe{GPTQ, 1, Rows, -1}, 99, "abc", "recipe gptq-1: length 1, want at least 2; windows -1, want at least 0"},
	} {
		if _, err := c.recipe.Cut(letters{c.bos}, c.text); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.recipe, err, c.want)
		}
	}
}

// TestIdentity pins the JSON that hashes are made of, and checks that every
// field of a recipe is in it.
func TestIdentity(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"gptq-512", `{"recipe":"gptq-512","join":"rows","bos":"stream","window":512,"step":512,"scored_from":1,"tail":"drop","averaging":"mean-of-windows","first":0,"normaliser":"none","version":1}`},
		{"bos-each-512", `{"recipe":"bos-each-512","join":"rows","bos":"window","window":512,"step":511,"scored_from":1,"tail":"drop","averaging":"token-weighted","first":0,"normaliser":"none","version":1}`},
		{"llamacpp-512h", `{"recipe":"llamacpp-512h","join":"raw","bos":"window","window":512,"step":512,"scored_from":257,"tail":"drop","averaging":"token-weighted","first":0,"normaliser":"none","version":1}`},
	} {
		r, err := ParseRecipe(c.name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r.Identity())
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, b, err, c.want)
		}
		for _, other := range []Recipe{
			{r.Protocol, r.Length + 2, r.Join, r.First}, {r.Protocol, r.Length, Lines, r.First}, {r.Protocol, r.Length, r.Join, 3},
		} {
			if other.Identity() == r.Identity() {
				t.Errorf("%+v and %+v have one identity", r, other)
			}
		}
	}
}

func TestCalibration(t *testing.T) {
	unique, text := counting{107}, "any"
	starts := func(n, length int, seed uint64) []int {
		t.Helper()
		seqs, err := Calibration(unique, text, n, length, seed)
		if err != nil {
			t.Fatal(err)
		}
		var out []int
		for _, s := range seqs {
			if len(s) != length {
				t.Fatalf("%d tokens, want %d", len(s), length)
			}
			for i := range s {
				if s[i] != s[0]+i {
					t.Fatalf("%v is no piece of the text", s)
				}
			}
			out = append(out, s[0])
		}
		return out
	}
	// 107/10 = 10 disjoint pieces, 7 tokens to spare: all ten can be had.
	ten := starts(10, 10, 1)
	seen := map[int]bool{}
	for _, b := range ten {
		if k := b / 10; seen[k] || b%10 != ten[0]%10 || b%10 > 7 {
			t.Errorf("starts %v are not ten disjoint pieces at one offset up to 7", ten)
		}
		seen[b/10] = true
	}
	if got := starts(4, 10, 1); !reflect.DeepEqual(got, ten[:4]) {
		t.Errorf("4 sequences %v, want the beginning of %v", got, ten)
	}
	if reflect.DeepEqual(starts(10, 10, 2), ten) {
		t.Error("seeds 1 and 2 give the same sequences")
	}
	// 11 do not fit side by side: distinct starts in [0, 97].
	seen = map[int]bool{}
	for _, b := range starts(11, 10, 1) {
		if seen[b] || b > 97 {
			t.Errorf("start %d twice or beyond 97", b)
		}
		seen[b] = true
	}
	if got := starts(98, 10, 5); len(got) != 98 {
		t.Errorf("%d sequences, want 98", len(got))
	}
	for _, c := range []struct {
		n, length int
		want      string
	}{
		{1, 108, "calibration: the text has 107 tokens, want at least length 108"},
		{99, 10, "calibration: 99 sequences of 10 tokens, but the text of 107 tokens has only 98 places to start"},
		{0, 10, "calibration: sequences 0, length 10, want at least 1"},
	} {
		if _, err := Calibration(unique, text, c.n, c.length, 1); err == nil || err.Error() != c.want {
			t.Errorf("%d×%d: %v, want %s", c.n, c.length, err, c.want)
		}
	}
}

// TestCalibrationPinned holds the draw of one seed: a change would silently
// change every calibrated artefact.
func TestCalibrationPinned(t *testing.T) {
	seqs, err := Calibration(counting{1050}, "any", 5, 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, s := range seqs {
		got = append(got, s[0])
	}
	if want := []int{747, 947, 647, 147, 47}; !reflect.DeepEqual(got, want) {
		t.Errorf("starts %v, want %v", got, want)
	}
}

// counting encodes any text as 0, 1, 2, …
type counting struct{ n int }

func (c counting) BOS() (int, bool) { return 0, false }

func (c counting) Encode(string) ([]int, error) {
	ids := make([]int, c.n)
	for i := range ids {
		ids[i] = i
	}
	return ids, nil
}
