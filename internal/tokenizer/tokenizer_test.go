package tokenizer

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// tinyJSON is a byte-level tokenizer: 256 bytes as ids 0 to 255, some merges
// of small letters, <s> as the last token. edit changes its members.
func tinyJSON(t testing.TB, edit func(top, model map[string]any)) []byte {
	t.Helper()
	vocab, merges := map[string]int{}, []any{}
	for b := range 256 {
		vocab[byteLevelToken(byte(b))] = b
	}
	for _, m := range []string{"a b", "ab c", "a a", "aa aa", "Ġ a"} {
		vocab[strings.ReplaceAll(m, " ", "")] = len(vocab)
		merges = append(merges, m)
	}
	model := map[string]any{"type": "BPE", "vocab": vocab, "merges": merges}
	top := map[string]any{
		"added_tokens":   []any{map[string]any{"id": len(vocab), "content": "<s>", "normalized": false, "special": true}},
		"pre_tokenizer":  map[string]any{"type": "ByteLevel", "add_prefix_space": false},
		"post_processor": template("<s>", len(vocab)),
		"model":          model,
	}
	if edit != nil {
		edit(top, model)
	}
	b, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func template(token string, id int) map[string]any {
	return map[string]any{
		"type":           "TemplateProcessing",
		"single":         []any{map[string]any{"SpecialToken": map[string]any{"id": token}}, map[string]any{"Sequence": map[string]any{"id": "A"}}},
		"special_tokens": map[string]any{token: map[string]any{"ids": []int{id}}},
	}
}

func loadTiny(t testing.TB, edit func(top, model map[string]any)) *Tokenizer {
	t.Helper()
	tok, err := LoadBytes(map[string][]byte{JSONFile: tinyJSON(t, edit)})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestTiny is worked by hand: ab = 256, abc = 257, aa = 258, aaaa = 259, " a"
// = 260, <s> = 261.
func TestTiny(t *testing.T) {
	tok := loadTiny(t, nil)
	for text, want := range map[string][]int{
		"":          {},
		"abcab":     {257, 256},
		"aaab":      {258, 256}, // a b ranks before a a
		"aaaaa":     {259, 'a'},
		"x ab<s>":   {'x', ' ', 256, 261}, // a b ranks before " " a
		"\xffa":     {0xef, 0xbf, 0xbd, 'a'},
		"a\xe2\x82": {'a', 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd},
	} {
		if got, err := tok.Encode(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("Encode(%q) = %v, want %v", text, got, want)
		}
	}
	if got := tok.Decode([]int{257, ' ', 261, 0xc3, 0xa9, 0xc3}); got != "abc <s>\u00e9\uFFFD" {
		t.Errorf("Decode = %q", got)
	}
	if n := tok.VocabSize(); n != 262 {
		t.Errorf("VocabSize = %d, want 262", n)
	}
}

// TestBOS: the template decides, unless tokenizer_config.json speaks.
func TestBOS(t *testing.T) {
	noTemplate := func(top, _ map[string]any) { top["post_processor"] = nil }
	for _, c := range []struct {
		name   string
		edit   func(top, model map[string]any)
		config string
		want   int // -1 none
	}{
		{"template", nil, "", 261},
		{"template, silent config", nil, `{"bos_token": "a"}`, 261},
		{"template, config says yes", nil, `{"add_bos_token": true, "bos_token": "a"}`, 261},
		{"template, config says no", nil, `{"add_bos_token": false}`, -1},
		{"nothing", noTemplate, "", -1},
		{"config alone", noTemplate, `{"add_bos_token": true, "bos_token": "<s>"}`, 261},
		{"config alone, long form", noTemplate, `{"add_bos_token": true, "bos_token": {"content": "<s>", "lstrip": false}}`, 261},
		{"behind a ByteLevel", func(top, _ map[string]any) {
			top["post_processor"] = map[string]any{"type": "Sequence", "processors": []any{map[string]any{"type": "ByteLevel"}, template("<s>", 261)}}
		}, "", 261},
		{"EOS only", func(top, _ map[string]any) {
			p := template("<s>", 261)
			slices.Reverse(p["single"].([]any))
			top["post_processor"] = p
		}, "", -1},
	} {
		files := map[string][]byte{JSONFile: tinyJSON(t, c.edit)}
		if c.config != "" {
			files[ConfigFile] = []byte(c.config)
		}
		tok, err := LoadBytes(files)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if id, ok := tok.BOS(); ok != (c.want >= 0) || ok && id != c.want {
			t.Errorf("%s: BOS %d, %v, want %d", c.name, id, ok, c.want)
		}
	}
}

// TestHash: equal where the ids are, not only where all files are.
func TestHash(t *testing.T) {
	hash := func(files map[string][]byte) string {
		tok, err := LoadBytes(files)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Hash()
	}
	b := tinyJSON(t, nil)
	h := hash(map[string][]byte{JSONFile: b})
	if len(h) != 64 {
		t.Errorf("hash %q", h)
	}
	if g := hash(map[string][]byte{JSONFile: b, ConfigFile: []byte(`{"chat_template": "x"}`)}); g != h {
		t.Error("a chat template changes the hash")
	}
	if g := hash(map[string][]byte{JSONFile: b, ConfigFile: []byte(`{"add_bos_token": false}`)}); g == h {
		t.Error("taking BOS away does not change the hash")
	}
	if g := hash(map[string][]byte{JSONFile: append(b, '\n')}); g == h {
		t.Error("another file does not change the hash")
	}
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || err.Error() != dir+": neither tokenizer.json nor tokenizer.model is here" {
		t.Errorf("empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, JSONFile), tinyJSON(t, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ModelFile), []byte("not read"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, ConfigFile)+": ") {
		t.Errorf("broken config: %v", err)
	}
}

// TestConcurrent: many goroutines give what one gives.
func TestConcurrent(t *testing.T) {
	tok := loadTiny(t, nil)
	var texts []string
	for i := range 50 {
		texts = append(texts, strings.Repeat("abcaab aaaa <s>", i)+strings.Repeat("ba", i))
	}
	want := make([][]int, len(texts))
	for i, s := range texts {
		want[i], _ = tok.Encode(s)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, s := range texts {
				if got, err := tok.Encode(s); err != nil || !slices.Equal(got, want[i]) {
					t.Errorf("text %d: %v, want %v", i, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// TestLongWord: a megabyte without a space. A quadratic merge would need an
// hour; the limit leaves room for the race detector on a busy machine.
func TestLongWord(t *testing.T) {
	tok := loadTiny(t, nil)
	start := time.Now()
	for _, c := range []struct {
		unit string
		kib  int
		ids  func(units int) int
	}{
		{"a", 1024, func(n int) int { return n / 4 }},
		{"abc", 1024, func(n int) int { return n }},
		{"ba", 128, func(n int) int { return n + 1 }},
		{"<", 128, func(n int) int { return n }},
		{" ", 128, func(n int) int { return n }},
		{"\u4e16", 128, func(n int) int { return 3 * n }},
	} {
		n := c.kib << 10 / len(c.unit) &^ 3 // a multiple of 4 units
		if got, err := tok.Encode(strings.Repeat(c.unit, n)); err != nil || len(got) != c.ids(n) {
			t.Errorf("%q repeated: %d ids, want %d", c.unit, len(got), c.ids(n))
		}
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("%v for 2.5 MB, want less than a minute", d)
	}
}

// TestShortAndLongMerge: the two ways of merging agree on words of any length.
func TestShortAndLongMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := merges{}
	for i := range int32(60) {
		// Few symbols and equal ranks, so that ties are common.
		m[pair(rng.Int32N(12), rng.Int32N(12))] = merge{rank: i / 3, id: rng.Int32N(20)}
	}
	s := newState()
	for range 3000 {
		word := make([]int32, rng.IntN(120))
		for i := range word {
			word[i] = rng.Int32N(12)
		}
		short := slices.Clone(m.applyShort(slices.Clone(word), s))
		long := m.applyLong(slices.Clone(word), s)
		if !slices.Equal(short, long) {
			t.Fatalf("%v: scanning gives %v, the heap %v", word, short, long)
		}
	}
}

// TestCacheLimits: more words than the cache holds.
func TestCacheLimits(t *testing.T) {
	tok, s := loadTiny(t, nil), newState()
	for i := range cachedWords + 100 {
		word := string([]byte{' ', 'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676%26), 'a' + byte(i/17576%26)})
		got, _ := tok.encode(word, s)
		if i%64 == 0 || i > cachedWords-8 {
			if fresh, _ := tok.encode(word, newState()); !slices.Equal(got, fresh) {
				t.Fatalf("%q: %v, want %v", word, got, fresh)
			}
		}
		if len(s.cache) > cachedWords {
			t.Fatalf("%d words in the cache, want at most %d", len(s.cache), cachedWords)
		}
	}
}

// TestScannersAgainstRegexp: the hand-written scanners cut as regexp2 does with
// the pattern itself. U+017F is left out, which regexp2 does not fold to s; the
// reference vectors have it.
func TestScannersAgainstRegexp(t *testing.T) {
	pool := []rune(" \n\r\t\u00a0\u3000\u0085'''sStTmMdDlLrRvVeEabZ09\u0663\u00b2.,-_(\u00e9\u0301\u4e16\U0001f600\u200d\x00\u2028")
	rng := rand.New(rand.NewPCG(3, 4))
	for _, pattern := range []string{patternByteLevel, patternGPT2, patternLlama3, patternQwen2} {
		scanner, err := newSplitter(pattern)
		if err != nil {
			t.Fatal(err)
		}
		re, err := newRegexp(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for range 4000 {
			text := make([]rune, rng.IntN(24))
			for i := range text {
				text[i] = pool[rng.IntN(len(pool))]
			}
			var got, want []string
			scanner(string(text), func(s string) { got = append(got, s) })
			re(string(text), func(s string) { want = append(want, s) })
			if !slices.Equal(got, want) {
				t.Fatalf("%s\n%q: got %q, want %q", pattern, string(text), got, want)
			}
		}
	}
}

// TestDecode: byte-level tokenizers give every text back; SentencePiece ones
// give back as many rows as sentencepiece itself does (summary.json).
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		rows string
		load func(t testing.TB) *Tokenizer
		want int
	}{
		{"gpt2.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "gpt2") }, 663},
		{"llama3-8k.jsonl", func(t testing.TB) *Tokenizer { return loadReference(t, "llama3-8k.tokenizer.json.gz") }, 663},
		{"llama2.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "llama2") }, 646},
		{"mistral-v1.jsonl", func(t testing.TB) *Tokenizer { return loadShared(t, "data", "tokenizers", "mistral-v1") }, 646},
	} {
		tok, back := c.load(t), 0
		for _, r := range readRows(t, c.rows) {
			ids, err := tok.Encode(r.Text)
			if err != nil {
				t.Fatal(err)
			}
			got := tok.Decode(ids)
			if got == r.Text {
				back++
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s:%d: decoded text is not UTF-8", c.rows, r.lineInFile)
			}
		}
		if back != c.want {
			t.Errorf("%s: %d rows come back, want %d", c.rows, back, c.want)
		}
	}
}
