package tokenizer

import (
	"math"
	"sort"
	"strings"
	"unicode/utf8"
)

// Types of pieces in a SentencePiece model (sentencepiece_model.proto).
const (
	pieceNormal      = 1
	pieceUnknown     = 2
	pieceControl     = 3
	pieceUserDefined = 4
	pieceUnused      = 5
	pieceByte        = 6
)

var pieceTypes = map[int]string{pieceUserDefined: "user-defined", pieceUnused: "unused"}

// maxPiece bounds a piece, in bytes: the ways to make it of two parts are all
// looked up. SentencePiece's own default is 16 characters.
const maxPiece = 512

// A piece is an entry of a SentencePiece vocabulary; its index is its id.
type piece struct {
	text  string
	score float32
	kind  int
}

// spModel is what a tokenizer.model says, as far as it bears on encoding.
// Initial values are the defaults of the format.
type spModel struct {
	pieces []piece

	modelType      int // 1 Unigram, 2 BPE, 3 word, 4 char
	byteFallback   bool
	spaceAsSuffix  bool
	bos            int
	normalizer     string
	charsmap       int // bytes of the precompiled character map
	dummyPrefix    bool
	removeSpaces   bool
	escapeSpaces   bool
	denormalizer   int // bytes of its character map
	normalizerRule bool
}

// loadSentencePiece reads a tokenizer.model. Beside the tokenizer it returns
// the ids by piece. With faults both may be nil.
func loadSentencePiece(b []byte, f *faults) (*Tokenizer, map[string]int32) {
	m, err := readModel(b)
	if err != nil {
		f.add("", "%v", err)
		return nil, nil
	}
	m.check(f)
	ids := m.ids(f)
	if len(f.list) > 0 {
		return nil, nil
	}
	t := &Tokenizer{bos: -1, size: len(m.pieces), stripLead: m.dummyPrefix}
	if m.bos >= 0 && m.bos < len(m.pieces) && m.pieces[m.bos].kind == pieceControl {
		t.bos = m.bos
	}
	if m.dummyPrefix {
		t.normalize = append(t.normalize, func(s string) string {
			if s == "" {
				return s
			}
			return metaspace + s
		})
	}
	t.normalize = append(t.normalize, func(s string) string { return strings.ReplaceAll(s, " ", metaspace) })
	t.words = m.words(ids)
	return t, ids
}

// check refuses settings that are not implemented.
func (m *spModel) check(f *faults) {
	refuse := func(bad bool, field, format string, args ...any) {
		if bad {
			f.add(field, format, args...)
		}
	}
	names := map[int]string{1: "unigram", 3: "word", 4: "char"}
	refuse(m.modelType != 2, "trainer_spec.model_type", "%d (%s) is not implemented; 2 (BPE) is", m.modelType, names[m.modelType])
	refuse(!m.byteFallback, "trainer_spec.byte_fallback", "false is not implemented; true is")
	refuse(m.spaceAsSuffix, "trainer_spec.treat_whitespace_as_suffix", "true is not implemented; false is")
	refuse(m.normalizer != "identity" && m.normalizer != "", "normalizer_spec.name", "%q is not implemented; \"identity\" is", m.normalizer)
	refuse(m.charsmap > 0, "normalizer_spec.precompiled_charsmap", "%d bytes, not implemented; none is", m.charsmap)
	refuse(m.normalizerRule, "normalizer_spec.normalization_rule_tsv", "not implemented")
	refuse(m.removeSpaces, "normalizer_spec.remove_extra_whitespaces", "true is not implemented; false is")
	refuse(!m.escapeSpaces, "normalizer_spec.escape_whitespaces", "false is not implemented; true is")
	refuse(m.denormalizer > 0, "denormalizer_spec.precompiled_charsmap", "%d bytes, not implemented; none is", m.denormalizer)
}

// ids maps pieces to ids and faults pieces that are not implemented.
func (m *spModel) ids(f *faults) map[string]int32 {
	ids := make(map[string]int32, len(m.pieces))
	if len(m.pieces) == 0 || len(m.pieces) > maxVocabulary {
		f.add("pieces", "%d, want 1 to %d", len(m.pieces), maxVocabulary)
		return nil
	}
	for i, p := range m.pieces {
		path := index("pieces", i)
		twin, known := ids[p.text]
		switch {
		case len(p.text) > maxPiece:
			f.add(path, "a piece of %d bytes, want at most %d", len(p.text), maxPiece)
		case p.text == "" || !utf8.ValidString(p.text):
			f.add(path, "%q, want text", p.text)
		case known:
			f.add(path, "%q is piece %d too", p.text, twin)
		case p.kind == pieceUserDefined || p.kind == pieceUnused:
			f.add(path, "%q: a piece of type %s is not implemented", p.text, pieceTypes[p.kind])
		case p.kind < pieceNormal || p.kind > pieceByte:
			f.add(path, "%q: unknown type %d", p.text, p.kind)
		case math.IsNaN(float64(p.score)):
			f.add(path, "%q: the score is not a number", p.text)
		}
		ids[p.text] = int32(i)
	}
	for b := range 256 {
		if id, ok := ids[byteToken(byte(b))]; !ok || m.pieces[id].kind != pieceByte {
			f.add("pieces", "no byte piece %s", byteToken(byte(b)))
		}
	}
	return ids
}

// words builds the merges: any two adjacent symbols whose texts join to a
// normal piece may merge, the highest score first (bpe_model.cc).
func (m *spModel) words(ids map[string]int32) *words {
	w := &words{byChar: true, chars: make(map[rune]int32), merges: make(merges, 2*len(m.pieces)), spell: m.spelling()}
	for b := range 256 {
		w.bytes[b] = ids[byteToken(byte(b))]
	}
	symbol := make(map[string]int32, len(m.pieces))
	for i, p := range m.pieces {
		if p.kind != pieceNormal {
			continue
		}
		symbol[p.text] = int32(i)
		if r, n := utf8.DecodeRuneInString(p.text); n == len(p.text) {
			w.chars[r] = int32(i)
		}
	}
	ranks, crossing := m.ranks(), false
	for i, p := range m.pieces {
		if p.kind != pieceNormal {
			continue
		}
		crossing = crossing || crossesMetaspace(p.text)
		w.addPairs(p.text, merge{ranks[i], int32(i)}, symbol)
	}
	if !crossing {
		w.split = []splitter{splitMetaspace}
	}
	return w
}

// addPairs enters every way to make a piece from two symbols. A character that
// is no piece can still be a part: it gets a virtual symbol.
func (w *words) addPairs(text string, g merge, symbol map[string]int32) {
	_, first := utf8.DecodeRuneInString(text)
	for cut := first; cut < len(text); {
		left, okLeft := w.part(text[:cut], symbol)
		right, okRight := w.part(text[cut:], symbol)
		if okLeft && okRight {
			w.merges[pair(left, right)] = g
		}
		_, n := utf8.DecodeRuneInString(text[cut:])
		cut += n
	}
}

// part is the symbol of a part of a piece, if a word can contain it.
func (w *words) part(text string, symbol map[string]int32) (int32, bool) {
	if id, ok := symbol[text]; ok {
		return id, true
	}
	r, n := utf8.DecodeRuneInString(text)
	if n != len(text) {
		return 0, false
	}
	id := int32(len(w.spell))
	w.spell = append(w.spell, text)
	w.virtual++
	symbol[text], w.chars[r] = id, id
	return id, true
}

// ranks orders normal pieces by falling score; equal scores have equal ranks.
func (m *spModel) ranks() []int32 {
	order := make([]int, len(m.pieces))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return m.pieces[order[i]].score > m.pieces[order[j]].score })
	ranks, last := make([]int32, len(m.pieces)), float32(math.Inf(1))
	rank := int32(0)
	for _, i := range order {
		if s := m.pieces[i].score; s != last {
			rank++
			last = s
		}
		ranks[i] = rank
	}
	return ranks
}

// spelling gives what Decode writes for each piece.
func (m *spModel) spelling() []string {
	spell := make([]string, len(m.pieces))
	for i, p := range m.pieces {
		switch p.kind {
		case pieceUnknown:
			spell[i] = " \u2047 "
		case pieceControl:
		default:
			spell[i] = fromMetaspace(p.text)
		}
	}
	return spell
}
