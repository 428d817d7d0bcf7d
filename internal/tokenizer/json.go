package tokenizer

import (
	"encoding/json"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// loadJSON reads a tokenizer.json. Beside the tokenizer it returns the ids of
// all tokens by their text in the file. With faults both may be nil.
func loadJSON(b []byte, f *faults) (*Tokenizer, map[string]int32) {
	top, ok := f.object("", b, "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model")
	if !ok {
		return nil, nil
	}
	t := &Tokenizer{bos: -1, words: &words{}}
	f.normalizer("normalizer", top.members["normalizer"], t)
	byteLevel := f.preTokenizer("pre_tokenizer", top.members["pre_tokenizer"], &t.words.split)
	t.words.byChar = !byteLevel
	t.stripLead = f.decoder("decoder", top.members["decoder"], byteLevel)
	ids := f.model("model", top.members["model"], t.words)
	if ids == nil {
		return nil, nil
	}
	added := f.addedTokens(top, ids)
	t.bos = f.postProcessor("post_processor", top.members["post_processor"], ids)
	for _, id := range ids {
		t.size = max(t.size, int(id)+1)
	}
	t.words.spell = spelling(ids, added, t.size, byteLevel)
	t.addMatchers(added)
	return t, ids
}

// Bounds of a normalizer, so that none can make a short text fill the memory.
const (
	maxGrowth = 64   // times that all replacements together may lengthen a text
	maxPrefix = 64   // bytes that one step may put before a text
	maxSteps  = 1024 // of one tokenizer
)

// normalizer appends the steps of a normalizer to those of t.
func (f *faults) normalizer(path string, raw json.RawMessage, t *Tokenizer) {
	if isNull(raw) || f.tooDeep(path) {
		return
	}
	if len(t.normalize) == maxSteps {
		f.add(path, "more than %d steps are not implemented", maxSteps)
		return
	}
	step := func(s func(string) string) { t.normalize = append(t.normalize, s) }
	switch k := kind(raw); k {
	case "Sequence":
		o, _ := f.object(path, raw, "type", "normalizers")
		for i, r := range o.list("normalizers") {
			f.normalizer(index(o.at("normalizers"), i), r, t)
		}
	case "NFC":
		f.object(path, raw, "type")
		step(norm.NFC.String)
	case "Prepend":
		o, _ := f.object(path, raw, "type", "prepend")
		prefix := o.text("prepend")
		if len(prefix) > maxPrefix {
			f.add(o.at("prepend"), "%d bytes, want at most %d", len(prefix), maxPrefix)
		}
		step(func(s string) string {
			if s == "" {
				return s
			}
			return prefix + s
		})
	case "Replace":
		o, _ := f.object(path, raw, "type", "pattern", "content")
		old, ok := f.literal(o.at("pattern"), o.members["pattern"])
		content := o.text("content")
		if !ok {
			return
		}
		t.growth = max(t.growth, 1) * max(1, float64(len(content))/float64(len(old)))
		if t.growth > maxGrowth {
			f.add(path, "with this replacement a text may grow %.4g times, want at most %d times", t.growth, maxGrowth)
		}
		step(func(s string) string { return strings.ReplaceAll(s, old, content) })
	default:
		f.add(path+".type", "%q is not implemented; NFC, Prepend, Replace and Sequence are", k)
	}
}

// literal reads a pattern that must be a non-empty plain string.
func (f *faults) literal(path string, raw json.RawMessage) (string, bool) {
	var p struct{ String *string }
	if json.Unmarshal(raw, &p) != nil || p.String == nil || *p.String == "" {
		f.add(path, `%s is not implemented; {"String": …} is`, excerpt(raw))
		return "", false
	}
	return *p.String, true
}

// preTokenizer appends the splitters of a pre-tokenizer and reports whether it
// ends in the ByteLevel mapping.
func (f *faults) preTokenizer(path string, raw json.RawMessage, split *[]splitter) (byteLevel bool) {
	if isNull(raw) || f.tooDeep(path) {
		return false
	}
	switch k := kind(raw); k {
	case "Sequence":
		o, _ := f.object(path, raw, "type", "pretokenizers")
		for i, r := range o.list("pretokenizers") {
			if byteLevel {
				f.add(index(o.at("pretokenizers"), i), "%s after ByteLevel is not implemented", kind(r))
			}
			byteLevel = f.preTokenizer(index(o.at("pretokenizers"), i), r, split) || byteLevel
		}
		return byteLevel
	case "Split":
		o, _ := f.object(path, raw, "type", "pattern", "behavior", "invert")
		f.split(o, split)
	case "Digits":
		o, _ := f.object(path, raw, "type", "individual_digits")
		*split = append(*split, splitDigits(o.flag("individual_digits", false)))
	case "ByteLevel":
		o, _ := f.object(path, raw, "type", "add_prefix_space", "trim_offsets", "use_regex")
		if o.flag("add_prefix_space", true) {
			*split = append(*split, prefixSpace)
		}
		if o.flag("use_regex", true) {
			*split = append(*split, scan(nextGPT2))
		}
		return true
	default:
		f.add(path+".type", "%q is not implemented; ByteLevel, Split, Digits and Sequence are", k)
	}
	return false
}

// split appends the splitter of a Split pre-tokenizer. Isolated pieces do not
// depend on invert.
func (f *faults) split(o object, split *[]splitter) {
	if b := o.text("behavior"); b != "Isolated" {
		f.add(o.at("behavior"), "%q is not implemented; \"Isolated\" is", b)
	}
	var p struct{ Regex *string }
	if json.Unmarshal(o.members["pattern"], &p) != nil || p.Regex == nil {
		f.add(o.at("pattern"), `%s is not implemented; {"Regex": …} is`, excerpt(o.members["pattern"]))
		return
	}
	s, err := newSplitter(*p.Regex)
	if err != nil {
		f.add(o.at("pattern"), "%v", err)
		return
	}
	*split = append(*split, s)
}

// decoder checks that ids are turned into text in the way that Decode does it,
// and reports whether the space of a prefix is dropped.
func (f *faults) decoder(path string, raw json.RawMessage, byteLevel bool) (stripLead bool) {
	if isNull(raw) {
		return false
	}
	if byteLevel {
		if k := kind(raw); k != "ByteLevel" {
			f.add(path+".type", "%q is not implemented for a ByteLevel pre-tokenizer; \"ByteLevel\" is", k)
		}
		return false
	}
	const want = `a Sequence of Replace "▁" by " ", ByteFallback, Fuse, Strip of one leading " "`
	var d struct {
		Decoders []struct {
			Type        string
			Pattern     struct{ String string }
			Content     string
			Start, Stop int
		}
	}
	if kind(raw) == "Sequence" && json.Unmarshal(raw, &d) == nil {
		l := d.Decoders
		if (len(l) == 3 || len(l) == 4) && l[0].Type == "Replace" && l[0].Pattern.String == metaspace && l[0].Content == " " &&
			l[1].Type == "ByteFallback" && l[2].Type == "Fuse" {
			if len(l) == 3 {
				return false
			}
			if s := l[3]; s.Type == "Strip" && s.Content == " " && s.Start == 1 && s.Stop == 0 {
				return true
			}
		}
	}
	f.add(path, "%s is not implemented; %s is", excerpt(raw), want)
	return false
}

// addedTokens reads added_tokens, enters them into ids and checks that ids and
// vocabulary agree.
func (f *faults) addedTokens(top object, ids map[string]int32) []jsonToken {
	var out []jsonToken
	size := int32(len(ids)) // of the vocabulary
	free := size
	for i, raw := range top.list("added_tokens") {
		path := index("added_tokens", i)
		o, ok := f.object(path, raw, "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
		if !ok {
			continue
		}
		id := int32(-1)
		if !o.into("id", &id, "a token id") {
			continue
		}
		t := jsonToken{id: id, normalized: o.flag("normalized", true)}
		t.content, t.singleWord = o.text("content"), o.flag("single_word", false)
		t.lstrip, t.rstrip = o.flag("lstrip", false), o.flag("rstrip", false)
		have, known := ids[t.content]
		switch {
		case id < 0 || id >= maxVocabulary:
			f.add(o.at("id"), "%d, want 0 to %d", id, maxVocabulary-1)
			continue
		case t.content == "":
			continue // matches nothing
		case known && have != id:
			f.add(o.at("id"), "%d, but the token %q has id %d", id, t.content, have)
			continue
		case !known && id != free:
			// Hugging Face's program would give it the free id and warn.
			f.add(o.at("id"), "%d of %q, want %d, the next after the vocabulary and the tokens before", id, t.content, free)
			continue
		}
		if id >= size {
			free = id + 1
		}
		ids[t.content] = id
		out = append(out, t)
	}
	return out
}

// A jsonToken is a row of added_tokens.
type jsonToken struct {
	id                         int32
	content                    string
	singleWord, lstrip, rstrip bool
	normalized                 bool // looked for in normalised text
}

// addMatchers distributes added tokens over the two matchers.
func (t *Tokenizer) addMatchers(added []jsonToken) {
	var raw, normal []addedToken
	for _, a := range added {
		m := addedToken{int(a.id), a.content, a.singleWord, a.lstrip, a.rstrip}
		if !a.normalized {
			raw = append(raw, m)
			continue
		}
		for _, f := range t.normalize {
			m.content = f(m.content)
		}
		if m.content != "" {
			normal = append(normal, m)
		}
	}
	t.raw, t.normal = newMatcher(raw), newMatcher(normal)
}

// postProcessor returns the token that a template puts before the text, or -1.
// What a template puts behind a text is no business of Encode.
func (f *faults) postProcessor(path string, raw json.RawMessage, ids map[string]int32) (bos int) {
	bos = -1
	if isNull(raw) || f.tooDeep(path) {
		return bos
	}
	switch k := kind(raw); k {
	case "ByteLevel": // offsets only
	case "Sequence":
		o, _ := f.object(path, raw, "type", "processors")
		for i, r := range o.list("processors") {
			p := index(o.at("processors"), i)
			if b := f.postProcessor(p, r, ids); b >= 0 {
				if bos >= 0 {
					f.add(p, "a second template that begins with a token is not implemented")
				}
				bos = b
			}
		}
	case "TemplateProcessing":
		o, _ := f.object(path, raw, "type", "single", "pair", "special_tokens")
		return f.template(o, ids)
	default:
		f.add(path+".type", "%q is not implemented; TemplateProcessing, ByteLevel and Sequence are", k)
	}
	return bos
}

// template finds the token before sequence A in the template of one text.
func (f *faults) template(o object, ids map[string]int32) (bos int) {
	var special map[string]struct {
		IDs []int `json:"ids"`
	}
	o.into("special_tokens", &special, "an object of tokens")
	bos = -1
	for i, raw := range o.list("single") {
		path := index(o.at("single"), i)
		var item struct {
			SpecialToken *struct{ ID string }
			Sequence     *struct{ ID string }
		}
		switch err := json.Unmarshal(raw, &item); {
		case err != nil || (item.SpecialToken == nil) == (item.Sequence == nil):
			f.add(path, "%s, want a SpecialToken or a Sequence", excerpt(raw))
			return -1
		case item.Sequence != nil:
			return bos
		case bos >= 0:
			f.add(path, "a second token before the text is not implemented")
			return -1
		}
		name := item.SpecialToken.ID
		list := special[name].IDs
		if len(list) != 1 {
			f.add(o.at("special_tokens"), "%d ids for %q, want 1", len(list), name)
			return -1
		}
		if id, ok := ids[name]; !ok || int(id) != list[0] {
			f.add(o.at("special_tokens"), "id %d for %q, which is not that token of the vocabulary", list[0], name)
			return -1
		}
		bos = list[0]
	}
	return bos
}
