// Package tokenizer turns text into the token ids of a model, and back: byte
// pair encoding read from a Hugging Face tokenizer.json or a SentencePiece
// tokenizer.model. The ids equal those of the original programs; whatever in a
// file is not implemented is refused by name, never approximated.
//
// It knows nothing of recipes, windows, padding, truncation or chat templates;
// such members of a file are ignored.
package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"
)

// Names of the files that Load reads.
const (
	JSONFile   = "tokenizer.json"
	ModelFile  = "tokenizer.model"
	ConfigFile = "tokenizer_config.json"
)

// FileNames lists every file that a tokenizer may be made of, for a program
// that copies a model.
func FileNames() []string { return []string{JSONFile, ModelFile, ConfigFile} }

// A Tokenizer encodes and decodes text. Its methods are safe for concurrent
// use.
type Tokenizer struct {
	// normalize is applied to every piece of text between added tokens.
	normalize []func(string) string
	growth    float64  // how many times replacements may lengthen a text; 0 without them
	raw       *matcher // added tokens looked for in the text as it is
	normal    *matcher // added tokens looked for in normalised text
	words     *words
	bos       int // id, or -1
	size      int
	stripLead bool // Decode drops one leading space, the dummy prefix
	hash      string
	states    sync.Pool // *state
}

// Load reads the tokenizer of a model directory: tokenizer.json if it is
// there, else tokenizer.model; tokenizer_config.json beside it decides about
// BOS. An error lists every fault, one per line, each with its file and place.
func Load(dir string) (*Tokenizer, error) {
	files := make(map[string][]byte)
	for _, name := range FileNames() {
		if _, ok := files[JSONFile]; ok && name == ModelFile {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = b
	}
	return load(dir, files)
}

// LoadBytes is Load for files held in memory, by base name.
func LoadBytes(files map[string][]byte) (*Tokenizer, error) { return load("", files) }

// load reads files; dir is for messages only.
func load(dir string, files map[string][]byte) (*Tokenizer, error) {
	var (
		t    *Tokenizer
		ids  map[string]int32
		main string
		f    faults
	)
	if b, ok := files[JSONFile]; ok {
		main = JSONFile
		f.file = filepath.Join(dir, main)
		t, ids = loadJSON(b, &f)
	} else if b, ok := files[ModelFile]; ok {
		main = ModelFile
		f.file = filepath.Join(dir, main)
		t, ids = loadSentencePiece(b, &f)
	} else {
		return nil, fmt.Errorf("%s: neither %s nor %s is here", orDot(dir), JSONFile, ModelFile)
	}
	if b, ok := files[ConfigFile]; ok {
		c := faults{file: filepath.Join(dir, ConfigFile)}
		if add, token := readConfig(b, &c); add != nil && t != nil {
			t.applyBOS(*add, token, ids, &c)
		}
		f.list = append(f.all(), c.all()...)
		f.more = 0
	}
	if err := errors.Join(f.all()...); err != nil {
		return nil, err
	}
	t.hash = fileHash(main, files[main], t.bos)
	return t, nil
}

func orDot(dir string) string {
	if dir == "" {
		return "tokenizer"
	}
	return dir
}

// fileHash is the SHA-256 of a line "name sha256(content) bos".
func fileHash(name string, content []byte, bos int) string {
	sum := sha256.Sum256(content)
	line := sha256.Sum256(fmt.Appendf(nil, "%s %x %d\n", name, sum, bos))
	return hex.EncodeToString(line[:])
}

// readConfig returns add_bos_token of tokenizer_config.json, nil if it does not
// say, and the text of bos_token. Nothing else in that file changes ids.
func readConfig(b []byte, f *faults) (add *bool, token string) {
	o := object{f: f}
	if err := json.Unmarshal(b, &o.members); err != nil {
		f.add("", "%v", err)
		return nil, ""
	}
	if o.null("add_bos_token") {
		return nil, ""
	}
	flag := o.flag("add_bos_token", false)
	if o.null("bos_token") {
		return &flag, ""
	}
	var named struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(o.members["bos_token"], &named) == nil {
		return &flag, named.Content
	}
	return &flag, o.text("bos_token")
}

// applyBOS lets tokenizer_config.json overrule the template, as transformers
// does for Llama: false takes BOS away, true brings the named token where the
// template has none.
func (t *Tokenizer) applyBOS(add bool, token string, ids map[string]int32, f *faults) {
	if !add {
		t.bos = -1
		return
	}
	if t.bos >= 0 {
		return
	}
	id, ok := ids[token]
	if !ok {
		f.add("bos_token", "%q is no token of the vocabulary, but add_bos_token is true", token)
		return
	}
	t.bos = int(id)
}

// BOS returns the token that the tokenizer puts before a text, if it puts one.
// It comes from the template of tokenizer.json, or is piece bos_id of
// tokenizer.model; add_bos_token of tokenizer_config.json overrules both.
func (t *Tokenizer) BOS() (id int, ok bool) {
	if t.bos < 0 {
		return 0, false
	}
	return t.bos, true
}

// VocabSize is the largest id plus one, added tokens included. A model's
// embedding may have more rows.
func (t *Tokenizer) VocabSize() int { return t.size }

// Hash is a SHA-256 in hex over the content of the file that defines the ids
// (tokenizer.json or tokenizer.model), its base name and the BOS that results:
// equal hashes give equal ids. The rest of tokenizer_config.json is left out.
func (t *Tokenizer) Hash() string { return t.hash }

// Encode returns the ids of text, without BOS, EOS or template. In a
// tokenizer.json the text of an added token is read as that token; in a
// tokenizer.model the text of a control piece is only text. Each byte that is
// not part of valid UTF-8 is read as U+FFFD. It is an error if a split pattern
// of the file, other than the known ones, takes seconds for one match.
func (t *Tokenizer) Encode(text string) ([]int, error) {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	s, _ := t.states.Get().(*state)
	if s == nil {
		s = newState()
	}
	defer t.states.Put(s)
	return t.encode(text, s)
}

// encode is Encode of valid UTF-8 with the given working memory.
func (t *Tokenizer) encode(text string, s *state) ([]int, error) {
	s.out = make([]int, 0, len(text)/3+1)
	t.raw.cut(text, s.emit, func(piece string) {
		for _, f := range t.normalize {
			piece = f(piece)
		}
		t.normal.cut(piece, s.emit, func(piece string) { t.words.encode(piece, s) })
	})
	out, err := s.out, s.err
	s.out, s.err = nil, nil
	return out, err
}

// Decode returns the text of ids. Added tokens of a tokenizer.json are written
// out, control pieces of a tokenizer.model are not, as in the programs that
// these files come from. Each byte that is not part of valid UTF-8
// becomes U+FFFD. It panics if an id is not in [0, VocabSize).
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		if id < 0 || id >= t.size {
			panic(fmt.Sprintf("tokenizer: id %d, want 0 to %d", id, t.size-1))
		}
		b.WriteString(t.words.spell[id])
	}
	out := b.String()
	if t.stripLead {
		out = strings.TrimPrefix(out, " ")
	}
	if !utf8.ValidString(out) {
		out = string([]rune(out))
	}
	return out
}
