package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden outputs in testdata")

// asMain makes the test binary behave as the program itself. Child processes
// inherit it, so that the memory suite works in tests.
const asMain = "SKETCHBENCH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		limitFileSize(os.Getenv(fileSizeLimit))
		main()
		return
	}
	os.Setenv(asMain, "1")
	os.Exit(m.Run())
}

// outcome is what a command printed and how it ended.
type outcome struct {
	stdout, stderr string
	code           int
}

// lastLine of standard error.
func (o outcome) lastLine() string {
	lines := strings.Split(strings.TrimRight(o.stderr, "\n"), "\n")
	return lines[len(lines)-1]
}

// environment is that of the commands under test.
func environment(dir string) func(string) string {
	vars := map[string]string{"SKETCHBENCH_CACHE": filepath.Join(dir, "cache"), "SKETCHBENCH_THREADS": "2"}
	return func(name string) string { return vars[name] }
}

// command runs a command line in process, in the working folder dir.
func command(dir string, stdin []byte, args ...string) outcome {
	var out, errOut bytes.Buffer
	err := run(context.Background(), args, streams{bytes.NewReader(stdin), &out, &errOut}, environment(dir))
	code := report(&errOut, err)
	return outcome{out.String(), errOut.String(), code}
}

// copyTiny makes a folder with a Llama of two layers (64 wide, vocabulary of
// 256; internal/engine/testdata/llama-tied) and a tokenizer of the 256 bytes.
func copyTiny(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "model.safetensors"} {
		b, err := os.ReadFile(filepath.Join(moduleRoot, "internal/engine/testdata/llama-tied", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), b)
	}
	write(t, filepath.Join(dir, "tokenizer.json"), []byte(byteTokenizer()))
}

// moduleRoot is absolute, since scripts change the working folder.
var moduleRoot = func() string {
	root, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return root
}()

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// byteTokenizer is a byte-level BPE without merges: token i is byte i. The
// alphabet is GPT-2's: printable Latin-1 stands for itself, the other bytes
// for the code points from 256 on.
func byteTokenizer() string {
	var vocab []string
	next := rune(256)
	for b := range rune(256) {
		c := b
		if printable := b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®'; !printable {
			c = next
			next++
		}
		vocab = append(vocab, fmt.Sprintf("%s: %d", strconv.Quote(string(c)), b))
	}
	return `{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
"post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
"model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
"fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "merges": [],
"vocab": {` + strings.Join(vocab, ", ") + "}}}\n"
}
