package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxVocabulary bounds token ids, so that a broken file cannot ask for tables
// of any size. Vocabularies of today have up to 2^18 tokens.
const maxVocabulary = 1 << 20

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// model reads the BPE model into w and returns the ids by token; nil if they
// cannot be read.
func (f *faults) model(path string, raw json.RawMessage, w *words) map[string]int32 {
	o, ok := f.object(path, raw, "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
		"fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges")
	if !ok {
		return nil
	}
	// Files of before 2021 have no type; only BPE has merges.
	if k := o.text("type"); k != "BPE" && !(o.null("type") && !o.null("merges")) {
		f.add(o.at("type"), "%q is not implemented; \"BPE\" is", k)
		return nil
	}
	f.options(o, w.byChar)
	vocab, fault := (&scanner{text: string(o.members["vocab"])}).vocabulary()
	if fault == "" && len(vocab) == 0 {
		fault = "no tokens"
	}
	if fault != "" {
		f.add(o.at("vocab"), "%s", fault)
		return nil
	}
	if !f.checkIDs(o.at("vocab"), vocab) {
		return nil
	}
	f.alphabet(o.at("vocab"), vocab, w)
	w.merges = f.merges(o, vocab, w)
	if o.flag("ignore_merges", false) && !w.byChar {
		w.whole = make(map[string]int32, len(vocab))
		for token, id := range vocab {
			if b, ok := fromByteLevel(token); ok {
				w.whole[b] = id
			}
		}
	}
	return vocab
}

// options refuses what would change the ids. unk_token and fuse_unk do not:
// alphabet makes sure that nothing is unknown.
func (f *faults) options(o object, byChar bool) {
	var dropout float64
	if o.into("dropout", &dropout, "a number"); dropout != 0 {
		f.add(o.at("dropout"), "%v is not implemented; null is", dropout)
	}
	for _, name := range []string{"continuing_subword_prefix", "end_of_word_suffix"} {
		if s := o.text(name); s != "" {
			f.add(o.at(name), "%q is not implemented; null is", s)
		}
	}
	if !byChar {
		return
	}
	if !o.flag("byte_fallback", false) {
		f.add(o.at("byte_fallback"), "false is not implemented without a ByteLevel pre-tokenizer; true is")
	}
	if o.flag("ignore_merges", false) {
		f.add(o.at("ignore_merges"), "true is not implemented without a ByteLevel pre-tokenizer; false is")
	}
}

// checkIDs reports whether ids are unique.
func (f *faults) checkIDs(path string, vocab map[string]int32) bool {
	size := int32(0)
	for _, id := range vocab {
		size = max(size, id+1)
	}
	owner := make([]string, size)
	good := true
	for token, id := range vocab {
		if twin := owner[id]; twin != "" {
			f.add(path, "id %d of both %q and %q", id, min(token, twin), max(token, twin))
			good = false
		}
		owner[id] = token
	}
	return good
}

// alphabet fills the symbols that words start from and faults missing bytes.
func (f *faults) alphabet(path string, vocab map[string]int32, w *words) {
	missing, first := 0, ""
	for b := range 256 {
		token := byteLevelToken(byte(b))
		if w.byChar {
			token = byteToken(byte(b))
		}
		id, ok := vocab[token]
		if !ok {
			if missing == 0 {
				first = token
			}
			missing++
		}
		w.bytes[b] = id
	}
	if missing > 0 {
		f.add(path, "%d of the 256 tokens of single bytes are missing, the first is %q", missing, first)
	}
	if !w.byChar {
		return
	}
	w.chars = make(map[rune]int32)
	for token, id := range vocab {
		if r, n := utf8.DecodeRuneInString(token); n > 0 && n == len(token) {
			w.chars[r] = id
		}
	}
}

// merges reads the list of merges, rank by rank. A pair that stands twice has
// the later rank, as in Hugging Face's program.
func (f *faults) merges(o object, vocab map[string]int32, w *words) merges {
	if o.null("merges") {
		f.add(o.at("merges"), "absent, want a list of pairs")
		return nil
	}
	list, bad := (&scanner{text: string(o.members["merges"])}).pairs()
	if bad >= 0 {
		f.add(index(o.at("merges"), bad), "want two tokens")
		return nil
	}
	out := make(merges, len(list))
	var joined []byte
	crossing, wrong := false, 0
	for rank, m := range list {
		joined = append(append(joined[:0], m[0]...), m[1]...)
		left, okLeft := vocab[m[0]]
		right, okRight := vocab[m[1]]
		id, okID := vocab[string(joined)]
		if !okLeft || !okRight || !okID {
			if wrong++; wrong <= 5 {
				f.add(index(o.at("merges"), rank), "%q + %q: a part or the result is not in the vocabulary", m[0], m[1])
			}
			continue
		}
		out[pair(left, right)] = merge{int32(rank), id}
		crossing = crossing || w.byChar && crossesMetaspace(string(joined))
	}
	if wrong > 5 {
		f.add(o.at("merges"), "%d more like that", wrong-5)
	}
	if w.byChar && !crossing {
		w.split = append(w.split, splitMetaspace)
	}
	return out
}

// byteToken is the token of a byte in a vocabulary with byte fallback.
func byteToken(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

// byteLevelRune maps a byte to the printable character that stands for it in a
// byte-level vocabulary: itself if it is printable Latin-1, else the next of
// U+0100, U+0101, … in order of bytes (Radford et al., GPT-2, encoder.py).
var byteLevelRune, byteOfRune = func() (to [256]rune, from [256 + 68]int16) {
	for i := range from {
		from[i] = -1
	}
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !('!' <= r && r <= '~' || 0xa1 <= r && r <= 0xac || 0xae <= r && r <= 0xff) {
			r = next
			next++
		}
		to[b], from[r] = r, int16(b)
	}
	return to, from
}()

func byteLevelToken(b byte) string { return string(byteLevelRune[b]) }

// fromByteLevel gives the bytes that a token of a byte-level vocabulary stands
// for; ok is false if it holds a character that stands for no byte.
func fromByteLevel(token string) (s string, ok bool) {
	b := make([]byte, 0, len(token))
	for _, r := range token {
		if int(r) >= len(byteOfRune) || byteOfRune[r] < 0 {
			return "", false
		}
		b = append(b, byte(byteOfRune[r]))
	}
	return string(b), true
}

// spelling gives what Decode writes for each id.
func spelling(ids map[string]int32, added []jsonToken, size int, byteLevel bool) []string {
	spell := make([]string, size)
	for token, id := range ids {
		if !byteLevel {
			spell[id] = fromMetaspace(token)
		} else if b, ok := fromByteLevel(token); ok {
			spell[id] = b
		} else {
			spell[id] = token
		}
	}
	for _, a := range added {
		spell[a.id] = a.content
	}
	return spell
}

// fromMetaspace gives what a token of a vocabulary with byte fallback stands for.
func fromMetaspace(token string) string {
	if len(token) == 6 && strings.HasPrefix(token, "<0x") && token[5] == '>' {
		if b, err := strconv.ParseUint(token[3:5], 16, 8); err == nil {
			return string([]byte{byte(b)})
		}
	}
	return strings.ReplaceAll(token, metaspace, " ")
}
