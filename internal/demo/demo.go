// Package demo embeds the default model, a layer of it after fine-tuning and two
// texts, so that a fresh clone runs without a download. The model is a Llama of
// 5,770,496 parameters that was trained for this project from random weights;
// the texts were written for it. All are under the project's licence.
package demo

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed model tuned text
var files embed.FS

// Model is the name under which a scenario asks for the embedded model.
const Model = "demo"

// Tuned is the name of the embedded checkpoint of the model after full
// fine-tuning on other text (GSM8K train, 140 steps of AdamW), of which only
// the seven linear layers of layer 3 are here: bf16, 1.5 MiB. Deflate would
// save a fifth.
const Tuned = "demo-tuned"

// TunedFile returns the safetensors file of Tuned. The bytes are read-only.
func TunedFile() []byte {
	b, err := files.ReadFile("tuned/model.safetensors")
	if err != nil {
		panic(err) // embedded
	}
	return b
}

// ModelFiles returns the files of the model in Hugging Face layout by base
// name. The bytes are read-only.
func ModelFiles() map[string][]byte {
	m := map[string][]byte{}
	entries, err := fs.ReadDir(files, "model")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		b, err := files.ReadFile(path.Join("model", e.Name()))
		if err != nil {
			panic(err) // embedded
		}
		m[e.Name()] = b
	}
	return m
}

// corpora lists the embedded texts. Both are laid out like raw WikiText; no
// sentence and no run of six words is in both.
var corpora = []struct{ name, file string }{
	{"demo", "sample.wiki.raw"},                  // to score
	{"demo-calibration", "calibration.wiki.raw"}, // to calibrate on, never scored
}

// Corpora returns the names of the embedded texts.
func Corpora() []string {
	var names []string
	for _, c := range corpora {
		names = append(names, c.name)
	}
	return names
}

// Corpus returns an embedded text.
func Corpus(name string) (text string, ok bool) {
	for _, c := range corpora {
		if c.name == name {
			b, err := files.ReadFile(path.Join("text", c.file))
			if err != nil {
				panic(err) // embedded
			}
			return string(b), true
		}
	}
	return "", false
}
