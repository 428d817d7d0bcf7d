package tokenizer

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// fuzzText holds what normalizers, splitters and added tokens look for.
const fuzzText = " abc aab  x\u2581y \u00e9e\u0301 <s><a> 12345 don't\n\t\x00\xff\u0130 "

// FuzzJSON loads made-up tokenizer.json files and encodes a text with those
// that load.
func FuzzJSON(f *testing.F) {
	jsons, _ := oddFiles(f)
	for _, b := range jsons {
		f.Add(b, fuzzText)
	}
	f.Add(tinyJSON(f, nil), fuzzText)
	for _, c := range faultCases {
		f.Add(tinyJSON(f, c.edit), "ab")
	}
	for _, edit := range []func(top, model members){
		func(top, _ members) { top["pre_tokenizer"] = split(members{"Regex": `(a|aa)+$|(\s*)*x`}, "Isolated") },
		func(top, _ members) {
			top["pre_tokenizer"] = members{"type": "Sequence", "pretokenizers": values{split(members{"Regex": patternLlama3}, "Isolated"), members{"type": "ByteLevel", "use_regex": false}}}
		},
		func(top, _ members) {
			top["normalizer"] = members{"type": "Sequence", "normalizers": values{members{"type": "NFC"}, members{"type": "Prepend", "prepend": "a"},
				members{"type": "Replace", "pattern": members{"String": "a"}, "content": "aaaaaaaaaa"}, members{"type": "Replace", "pattern": members{"String": "a"}, "content": "aaaaaa"}}}
		},
		func(top, model members) {
			model["vocab"].(map[string]int)["far"] = maxVocabulary - 1
			top["added_tokens"] = values{members{"id": -1, "content": ""}, members{"id": 1 << 40, "content": "x"}}
		},
	} {
		f.Add(tinyJSON(f, edit), fuzzText)
	}
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":-1,"b":1e3,"c":99999999999,"c":0},"merges":["a","a b c",["a"],[1,2]]}}`), "")
	f.Fuzz(func(t *testing.T, b []byte, text string) { checkLoad(t, JSONFile, b, text) })
}

// FuzzSentencePiece does the same with tokenizer.model files.
func FuzzSentencePiece(f *testing.F) {
	_, models := oddFiles(f)
	for _, b := range models {
		f.Add(b, fuzzText)
		f.Add(b[:len(b)/2], fuzzText)
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "")
	f.Add([]byte{0x0a, 2, 0x0a, 0, 0x0a, 0, 0x12, 2, 0x18, 2, 0x1a, 0, 0x2a, 0}, "")
	f.Add([]byte{0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, "")
	f.Fuzz(func(t *testing.T, b []byte, text string) { checkLoad(t, ModelFile, b, text) })
}

// checkLoad loads a file: the answer is an error of which every line names the
// file, or a tokenizer. It encodes texts to ids of its vocabulary, equal ones
// to equal ids, or says that it cannot.
func checkLoad(t *testing.T, name string, b []byte, text string) {
	var tok *Tokenizer
	var err error
	fuzztest.Bounded(t, len(b), func() { tok, err = load("dir", map[string][]byte{name: b}) })
	if err != nil {
		for _, fault := range err.(interface{ Unwrap() []error }).Unwrap() {
			if !strings.HasPrefix(fault.Error(), "dir/"+name+": ") {
				t.Errorf("the error does not name the file: %v", fault)
			}
		}
		return
	}
	if id, ok := tok.BOS(); ok && (id < 0 || id >= tok.VocabSize()) || tok.VocabSize() > maxVocabulary || len(tok.Hash()) != 64 {
		t.Errorf("BOS %d, %v, %d tokens, hash %q", id, ok, tok.VocabSize(), tok.Hash())
	}
	if len(text) > 256 {
		text = text[:256]
	}
	var ids, again []int
	fuzztest.Bounded(t, len(b)+len(text), func() {
		if ids, err = tok.Encode(text); err == nil {
			again, err = tok.Encode(text)
		}
	})
	if err != nil {
		return
	}
	if fmt.Sprint(ids) != fmt.Sprint(again) {
		t.Errorf("%q became %v and %v", text, ids, again)
	}
	for _, id := range ids {
		if id < 0 || id >= tok.VocabSize() {
			t.Fatalf("%q became %v with %d tokens", text, ids, tok.VocabSize())
		}
	}
	fuzztest.Bounded(t, len(b)+len(text), func() {
		if s := tok.Decode(ids); !utf8.ValidString(s) {
			t.Errorf("%q was decoded to %q", text, s)
		}
	})
}

// TestLoadLarge bounds what files of about a megabyte cost that say little in
// many words.
func TestLoadLarge(t *testing.T) {
	top := func(member, value string) string {
		return strings.TrimSuffix(string(tinyJSON(t, nil)), "}") + `,"` + member + `":` + value + `}`
	}
	tokens := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return "[" + strings.TrimPrefix(b.String(), ",") + "]"
	}
	for name, text := range map[string]string{
		"far id":           `{"model":{"type":"BPE","vocab":{"a":` + fmt.Sprint(maxVocabulary-1) + `},"merges":[]}}`,
		"nested":           top("normalizer", strings.Repeat(`{"type":"Sequence","normalizers":[`, 9000)+strings.Repeat("]}", 9000)),
		"nested splits":    top("pre_tokenizer", strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 9000)+strings.Repeat("]}", 9000)),
		"nested templates": top("post_processor", strings.Repeat(`{"type":"Sequence","processors":[`, 9000)+strings.Repeat("]}", 9000)),
		"steps":            top("normalizer", `{"type":"Sequence","normalizers":`+tokens(50_000, `,{"type":"NFC"}`)+`}`),
		"splits":           top("pre_tokenizer", `{"type":"Sequence","pretokenizers":`+tokens(30_000, `,{"type":"Digits"}`)+`}`),
		"numbers as added": top("added_tokens", tokens(1<<18, ",0")),
		"empty added":      top("added_tokens", tokens(1<<16, `,{}`)),
		"wrong added":      top("added_tokens", tokens(20_000, `,{"id":1,"content":"t%d"}`)),
		"long added":       top("added_tokens", `[{"id":261,"content":"`+strings.Repeat("xy", 1<<19)+`"}]`),
		"long pattern":     top("pre_tokenizer", `{"type":"Split","behavior":"Isolated","pattern":{"Regex":"`+strings.Repeat("(", 1<<20)+`"}}`),
		"wrong merges":     strings.Replace(top("version", "1"), `"merges":[`, `"merges":[`+strings.Repeat(`"q q",`, 1<<17), 1),
		"template":         top("post_processor", `{"type":"TemplateProcessing","single":`+tokens(1<<18, ",0")+`,"special_tokens":{}}`),
		"unknown members":  `{` + strings.Trim(tokens(50_000, `,"%d":0`), "[]") + `}`,
	} {
		t.Run(name, func(t *testing.T) { checkLoad(t, JSONFile, []byte(text), fuzzText) })
	}
	_, models := oddFiles(t)
	whole := string(models[0])
	piece := func(text string) string {
		message := append([]byte{0x0a}, varint(len(text))...)
		message = append(message, text...)
		return "\x0a" + string(varint(len(message))) + string(message)
	}
	var many strings.Builder
	for i := range 100_000 {
		many.WriteString(piece(fmt.Sprintf("%x\u00e9", i)))
	}
	for name, text := range map[string]string{
		"empty pieces": strings.Repeat("\x0a\x00", 1<<19),
		"long piece":   whole + piece(strings.Repeat("xy", 1<<19)),
		"long pieces":  whole + piece(strings.Repeat("\u00e9", maxPiece/2)) + piece(strings.Repeat("x", maxPiece)),
		"many pieces":  whole + many.String(),
	} {
		t.Run(name, func(t *testing.T) { checkLoad(t, ModelFile, []byte(text), fuzzText) })
	}
}

// varint is a length as protocol buffers write it.
func varint(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// TestSlowPattern: a match that would take for ever is an error.
func TestSlowPattern(t *testing.T) {
	tok := loadTiny(t, func(top, _ members) {
		top["pre_tokenizer"] = members{"type": "Sequence", "pretokenizers": values{split(members{"Regex": `(a|aa|b*)+$`}, "Isolated"), members{"type": "ByteLevel", "use_regex": false, "add_prefix_space": false}}}
		top["decoder"] = members{"type": "ByteLevel"}
	})
	if _, err := tok.Encode(strings.Repeat("a", 200) + "x"); err == nil || !strings.Contains(err.Error(), "took more than 2s") {
		t.Errorf("got %v", err)
	}
	if ids, err := tok.Encode("aab"); err != nil || len(ids) == 0 {
		t.Errorf("after an error: %v, %v", ids, err)
	}
}
