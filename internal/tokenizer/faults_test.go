package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func split(pattern any, behavior string) map[string]any {
	return map[string]any{"type": "Split", "pattern": pattern, "behavior": behavior, "invert": false}
}

type (
	members = map[string]any
	values  = []any
)

// faultCases lists edits of tinyJSON and every line of the error they cause.
var faultCases = []struct {
	name string
	edit func(top, model members)
	want []string
}{
	{"many at once", func(top, model members) {
		top["normalizer"] = members{"type": "Sequence", "normalizers": values{members{"type": "NFKC"}, members{"type": "Replace", "pattern": members{"Regex": "a"}, "content": "b"}}}
		top["pre_tokenizer"] = members{"type": "Sequence", "pretokenizers": values{members{"type": "Metaspace"}, split(members{"Regex": "(?i:a)"}, "Removed"), members{"type": "ByteLevel"}, members{"type": "Digits"}}}
		top["decoder"] = members{"type": "WordPiece"}
		top["post_processor"] = members{"type": "BertProcessing"}
		top["extra"] = 1
		model["dropout"], model["continuing_subword_prefix"], model["future"] = 0.1, "##", true
	}, []string{
		`tokenizer.json: extra: not implemented`,
		`tokenizer.json: normalizer.normalizers[0].type: "NFKC" is not implemented; NFC, Prepend, Replace and Sequence are`,
		`tokenizer.json: normalizer.normalizers[1].pattern: {"Regex":"a"} is not implemented; {"String": …} is`,
		`tokenizer.json: pre_tokenizer.pretokenizers[0].type: "Metaspace" is not implemented; ByteLevel, Split, Digits and Sequence are`,
		`tokenizer.json: pre_tokenizer.pretokenizers[1].behavior: "Removed" is not implemented; "Isolated" is`,
		`tokenizer.json: pre_tokenizer.pretokenizers[1].pattern: pattern "(?i:a)" ignores case and is none of those with a scanner of their own: not implemented`,
		`tokenizer.json: pre_tokenizer.pretokenizers[3]: Digits after ByteLevel is not implemented`,
		`tokenizer.json: model.dropout: 0.1 is not implemented; null is`,
		`tokenizer.json: model.continuing_subword_prefix: "##" is not implemented; null is`,
		`tokenizer.json: model.future: not implemented`,
		`tokenizer.json: post_processor.type: "BertProcessing" is not implemented; TemplateProcessing, ByteLevel and Sequence are`,
		`tokenizer.json: decoder.type: "WordPiece" is not implemented for a ByteLevel pre-tokenizer; "ByteLevel" is`,
	}},
	{"model options", func(top, model members) {
		model["dropout"], model["continuing_subword_prefix"], model["end_of_word_suffix"], model["future"] = 0.1, "##", "</w>", true
	}, []string{
		`tokenizer.json: model.future: not implemented`,
		`tokenizer.json: model.dropout: 0.1 is not implemented; null is`,
		`tokenizer.json: model.continuing_subword_prefix: "##" is not implemented; null is`,
		`tokenizer.json: model.end_of_word_suffix: "</w>" is not implemented; null is`,
	}},
	{"model kinds", func(top, model members) { model["type"] = "Unigram" }, []string{`tokenizer.json: model.type: "Unigram" is not implemented; "BPE" is`}},
	{"no type and no merges", func(top, model members) { delete(model, "type"); delete(model, "merges") }, []string{`tokenizer.json: model.type: "" is not implemented; "BPE" is`}},
	{"no model", func(top, model members) { delete(top, "model") }, []string{`tokenizer.json: model: absent, want an object`}},
	{"no merges", func(top, model members) { delete(model, "merges") }, []string{`tokenizer.json: model.merges: absent, want a list of pairs`}},
	{"merge of three", func(top, model members) { model["merges"] = values{"a b", "a b c"} }, []string{`tokenizer.json: model.merges[1]: want two tokens`}},
	{"merge of numbers", func(top, model members) { model["merges"] = values{values{1, 2}} }, []string{`tokenizer.json: model.merges[0]: want two tokens`}},
	{"unknown merge", func(top, model members) { model["merges"] = values{"a b", "a z"} }, []string{`tokenizer.json: model.merges[1]: "a" + "z": a part or the result is not in the vocabulary`}},
	{"id twice", func(top, model members) { model["vocab"].(map[string]int)["zz"] = 'a' }, []string{`tokenizer.json: model.vocab: id 97 of both "a" and "zz"`}},
	{"negative id", func(top, model members) { model["vocab"] = members{"zz": -1} }, []string{`tokenizer.json: model.vocab: id of "zz": want a whole number from 0 to 1048575`}},
	{"fractional id", func(top, model members) { model["vocab"] = members{"zz": 1.5} }, []string{`tokenizer.json: model.vocab: id of "zz": want a whole number from 0 to 1048575`}},
	{"id beyond reason", func(top, model members) { model["vocab"] = members{"zz": 1 << 40} }, []string{`tokenizer.json: model.vocab: id of "zz": want a whole number from 0 to 1048575`}},
	{"list for vocabulary", func(top, model members) { model["vocab"] = values{} }, []string{`tokenizer.json: model.vocab: want an object of token ids`}},
	{"empty vocabulary", func(top, model members) { model["vocab"] = members{} }, []string{`tokenizer.json: model.vocab: no tokens`}},
	{"bytes missing", func(top, model members) {
		delete(model["vocab"].(map[string]int), "Ā")
		delete(model["vocab"].(map[string]int), "q")
		top["post_processor"] = nil
	}, []string{
		`tokenizer.json: model.vocab: 2 of the 256 tokens of single bytes are missing, the first is "Ā"`,
		`tokenizer.json: added_tokens[0].id: 261 of "<s>", want 259, the next after the vocabulary and the tokens before`,
	}},
	{"no pre-tokenizer", func(top, model members) { top["pre_tokenizer"] = nil; model["ignore_merges"] = true }, []string{
		`tokenizer.json: model.byte_fallback: false is not implemented without a ByteLevel pre-tokenizer; true is`,
		`tokenizer.json: model.ignore_merges: true is not implemented without a ByteLevel pre-tokenizer; false is`,
		`tokenizer.json: model.vocab: 256 of the 256 tokens of single bytes are missing, the first is "<0x00>"`,
	}},
	{"unreadable pattern", func(top, model members) {
		top["pre_tokenizer"] = members{"type": "Sequence", "pretokenizers": values{split(members{"Regex": "a)"}, "Isolated"), split(members{"String": " "}, "Isolated"), members{"type": "ByteLevel"}}}
	}, []string{
		"tokenizer.json: pre_tokenizer.pretokenizers[0].pattern: pattern \"a)\": error parsing regexp: unexpected ) in `a)`",
		`tokenizer.json: pre_tokenizer.pretokenizers[1].pattern: {"String":" "} is not implemented; {"Regex": …} is`,
	}},
	{"added token disagrees", func(top, model members) {
		top["added_tokens"] = values{members{"id": 5, "content": "a"}, members{"id": 300, "content": "<s>"}, members{"id": -1, "content": "x"}, members{"id": "7", "content": "y", "odd": 1}}
		top["post_processor"] = nil
	}, []string{
		`tokenizer.json: added_tokens[0].id: 5, but the token "a" has id 97`,
		`tokenizer.json: added_tokens[1].id: 300 of "<s>", want 261, the next after the vocabulary and the tokens before`,
		`tokenizer.json: added_tokens[2].id: -1, want 0 to 1048575`,
		`tokenizer.json: added_tokens[3].odd: not implemented`,
		`tokenizer.json: added_tokens[3].id: "7", want a token id`,
	}},
	{"template of an unknown token", func(top, model members) { top["post_processor"] = template("<t>", 7) }, []string{
		`tokenizer.json: post_processor.special_tokens: id 7 for "<t>", which is not that token of the vocabulary`,
	}},
	{"two tokens before the text", func(top, model members) {
		p := template("<s>", 261)
		p["single"] = values{p["single"].(values)[0], p["single"].(values)[0], p["single"].(values)[1]}
		top["post_processor"] = p
	}, []string{`tokenizer.json: post_processor.single[1]: a second token before the text is not implemented`}},
	{"another decoder", func(top, model members) { top["pre_tokenizer"] = nil; top["decoder"] = members{"type": "Fuse"} }, []string{
		`tokenizer.json: decoder: {"type":"Fuse"} is not implemented; a Sequence of Replace "▁" by " ", ByteFallback, Fuse, Strip of one leading " " is`,
		`tokenizer.json: model.byte_fallback: false is not implemented without a ByteLevel pre-tokenizer; true is`,
		`tokenizer.json: model.vocab: 256 of the 256 tokens of single bytes are missing, the first is "<0x00>"`,
	}},
	{"byte-level with another decoder", func(top, model members) { top["decoder"] = members{"type": "Metaspace"} }, []string{
		`tokenizer.json: decoder.type: "Metaspace" is not implemented for a ByteLevel pre-tokenizer; "ByteLevel" is`,
	}},
}

// TestFaults: every fault of a tokenizer.json in one error, a line each.
func TestFaults(t *testing.T) {
	for _, c := range faultCases {
		_, err := LoadBytes(map[string][]byte{JSONFile: tinyJSON(t, c.edit)})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		for _, want := range c.want {
			found := false
			for _, l := range lines {
				found = found || l == want
			}
			if !found {
				t.Errorf("%s: no line\n %s\nin\n %s", c.name, want, strings.Join(lines, "\n "))
			}
		}
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d lines, want %d:\n %s", c.name, len(lines), len(c.want), strings.Join(lines, "\n "))
		}
	}
}

// TestModelFaults: the same for tokenizer.model, from a model of the test data
// with fields appended; the last value of a field counts.
func TestModelFaults(t *testing.T) {
	_, models := oddFiles(t)
	field := func(number int, value ...byte) []byte {
		return append([]byte{byte(number<<3 | wireBytes), byte(len(value))}, value...)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  []string
	}{
		{"unigram without byte fallback", field(2, 3<<3, 1, 0x98, 0x02, 0), []string{
			"tokenizer.model: trainer_spec.model_type: 1 (unigram) is not implemented; 2 (BPE) is",
			"tokenizer.model: trainer_spec.byte_fallback: false is not implemented; true is",
		}},
		{"normaliser", field(3, append([]byte{1<<3 | wireBytes, 4, 'n', 'm', 't', '_', 2<<3 | wireBytes, 2, 0, 0}, 4<<3, 1, 5<<3, 0)...), []string{
			`tokenizer.model: normalizer_spec.name: "nmt_" is not implemented; "identity" is`,
			"tokenizer.model: normalizer_spec.precompiled_charsmap: 2 bytes, not implemented; none is",
			"tokenizer.model: normalizer_spec.remove_extra_whitespaces: true is not implemented; false is",
			"tokenizer.model: normalizer_spec.escape_whitespaces: false is not implemented; true is",
		}},
		{"pieces", append(append(field(1, 1<<3|wireBytes, 1, 'a'), field(1, 1<<3|wireBytes, 2, 'u', 'd', 3<<3, 4)...), field(1, 3<<3, 1)...), []string{
			`tokenizer.model: pieces[413]: "a" is piece 409 too`,
			`tokenizer.model: pieces[414]: "ud": a piece of type user-defined is not implemented`,
			`tokenizer.model: pieces[415]: "", want text`,
		}},
		{"cut off", []byte{1<<3 | wireBytes, 200}, []string{"tokenizer.model: not a protocol buffer: field 1 is cut off"}},
	} {
		_, err := LoadBytes(map[string][]byte{ModelFile: append(bytes.Clone(models[0]), c.bytes...)})
		if want := strings.Join(c.want, "\n"); err == nil || err.Error() != want {
			t.Errorf("%s:\n%v\nwant\n%s", c.name, err, want)
		}
	}
	if _, err := LoadBytes(map[string][]byte{ModelFile: nil}); err == nil {
		t.Error("an empty tokenizer.model is no error")
	}
}

// oddFiles are the tokenizers of testdata/oddities.jsonl.
func oddFiles(t testing.TB) (jsons, models [][]byte) {
	t.Helper()
	f, err := os.Open("testdata/oddities.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var c struct {
			JSON  json.RawMessage
			Model []byte
		}
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.JSON != nil {
			jsons = append(jsons, c.JSON)
		} else {
			models = append(models, c.Model)
		}
	}
	return jsons, models
}

// TestDamagedFiles: no file makes Load, or Encode after a successful Load,
// panic: random bytes changed, and files cut short.
func TestDamagedFiles(t *testing.T) {
	jsons, models := oddFiles(t)
	rng := rand.New(rand.NewPCG(5, 6))
	try := func(name string, original []byte, n int) {
		for range n {
			b := bytes.Clone(original)
			for range 1 + rng.IntN(3) {
				switch i := rng.IntN(len(b)); rng.IntN(3) {
				case 0:
					b[i] = byte(rng.IntN(256))
				case 1:
					b[i] = `{}[]":,0-an\`[rng.IntN(12)]
				case 2:
					b = append(b[:i:i], b[min(len(b), i+1+rng.IntN(8)):]...)
				}
				if len(b) == 0 {
					break
				}
			}
			if tok, err := LoadBytes(map[string][]byte{name: b}); err == nil {
				ids, _ := tok.Encode(" abc x\u2581y \u00e9 <s><a> 123\n\x00\xff")
				tok.Decode(ids)
			}
		}
		for range n / 10 {
			if _, err := LoadBytes(map[string][]byte{name: original[:rng.IntN(len(original))]}); err == nil && name == JSONFile {
				t.Error("a tokenizer.json that is cut short loads")
			}
		}
	}
	for _, b := range jsons {
		try(JSONFile, b, 60)
	}
	for _, b := range models {
		try(ModelFile, b, 300)
	}
}
