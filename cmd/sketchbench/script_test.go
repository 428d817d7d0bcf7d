package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScripts runs the command lines of testdata/script/*.txt in order and
// compares standard output, standard error and exit code with what stands
// below each; -update rewrites the files. A script starts with a comment, then
// come files as "-- NAME --" and their text, at the end the section "script":
//
//	% model DIR                   the tiny model with its tokenizer
//	% edit FILE OLD NEW           replaces the first OLD of a file
//	% nan DIR TENSOR INDEX        puts NaN into the model's weights
//	% cut FILE-PATTERN BYTES      keeps the first bytes
//	% remove FILE-PATTERN
//	% file FILE                   an empty file
//	$ sketchbench ARGS [< FILE] [> FILE]
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			abs, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			head, script, ok := strings.Cut(string(read(t, abs)), "-- script --\n")
			if !ok {
				t.Fatalf("%s: no section script", path)
			}
			dir := t.TempDir()
			unpack(t, dir, head)
			t.Chdir(dir)
			got := runScript(t, dir, script)
			if *update {
				write(t, abs, []byte(head+"-- script --\n"+got))
				return
			}
			if got != script {
				t.Errorf("%s differs (go test -update rewrites it):\n%s", path, firstDifference(script, got))
			}
		})
	}
}

// unpack writes the files of a script.
func unpack(t *testing.T, dir, head string) {
	t.Helper()
	parts := regexp.MustCompile(`(?m)^-- (\S+) --\n`).Split(head, -1)
	names := regexp.MustCompile(`(?m)^-- (\S+) --\n`).FindAllStringSubmatch(head, -1)
	for i, name := range names {
		path := filepath.Join(dir, name[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte(parts[i+1]))
	}
}

// runScript runs the commands of a script and returns it with what came out.
func runScript(t *testing.T, dir, script string) string {
	t.Helper()
	var out strings.Builder
	for _, line := range strings.Split(script, "\n") {
		switch {
		case strings.HasPrefix(line, "% "):
			fmt.Fprintln(&out, line)
			prepare(t, split(t, line[2:]))
		case strings.HasPrefix(line, "# "):
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "$ sketchbench"):
			o := runLine(t, dir, split(t, strings.TrimPrefix(line, "$ sketchbench")))
			fmt.Fprintln(&out, line)
			section(&out, "stdout", normalise(dir, o.stdout))
			section(&out, "stderr", normalise(dir, o.stderr))
			fmt.Fprintf(&out, "[exit %d]\n\n", o.code)
		}
	}
	return out.String()
}

// section prints text indented, so that no line of it is taken for a command.
func section(w io.Writer, name, text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(w, "[%s]\n", name)
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fmt.Fprintln(w, strings.TrimRight("    "+line, " "))
	}
	if !strings.HasSuffix(text, "\n") {
		fmt.Fprintln(w, "[no newline at the end]")
	}
}

func runLine(t *testing.T, dir string, args []string) outcome {
	t.Helper()
	var in []byte
	var out, errOut bytes.Buffer
	var stdout io.Writer = &out
	var words []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "<" && i+1 < len(args):
			i++
			in = read(t, args[i])
		case args[i] == ">" && i+1 < len(args):
			i++
			f, err := os.OpenFile(args[i], os.O_WRONLY|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			stdout = f
		default:
			words = append(words, args[i])
		}
	}
	err := run(context.Background(), words, streams{bytes.NewReader(in), stdout, &errOut}, environment(dir))
	code := report(&errOut, err)
	return outcome{out.String(), errOut.String(), code}
}

// split splits a command line at spaces outside quotes.
func split(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}

func prepare(t *testing.T, words []string) {
	t.Helper()
	number := func(i int) int {
		n, err := strconv.Atoi(words[i])
		if err != nil {
			t.Fatal(words, err)
		}
		return n
	}
	switch words[0] {
	case "model":
		copyTiny(t, words[1])
	case "edit":
		b := read(t, words[1])
		if !bytes.Contains(b, []byte(words[2])) {
			t.Fatalf("%s: no %q", words[1], words[2])
		}
		write(t, words[1], bytes.Replace(b, []byte(words[2]), []byte(words[3]), 1))
	case "nan":
		putNaN(t, filepath.Join(words[1], "model.safetensors"), words[2], number(3))
	case "cut":
		for _, path := range glob(t, words[1]) {
			if err := os.Truncate(path, int64(number(2))); err != nil {
				t.Fatal(err)
			}
		}
	case "remove":
		for _, path := range glob(t, words[1]) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	case "file":
		write(t, words[1], nil)
	default:
		t.Fatalf("no preparation %q", words)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s matches nothing", pattern)
	}
	return paths
}

// putNaN overwrites one value of an F32 tensor in a safetensors file.
func putNaN(t *testing.T, path, tensor string, index int) {
	t.Helper()
	b := read(t, path)
	n := binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	entry, ok := header[tensor]
	if !ok {
		t.Fatalf("no tensor %s", tensor)
	}
	binary.LittleEndian.PutUint32(b[8+int(n)+entry.Offsets[0]+4*index:], math.Float32bits(float32(math.NaN())))
	write(t, path, b)
}

// firstDifference shows where two texts part, with two lines before.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			show := func(lines []string) string {
				return strings.Join(lines[min(max(i-2, 0), len(lines)):min(i+4, len(lines))], "\n")
			}
			return fmt.Sprintf("line %d of the script\nwant:\n%s\ngot:\n%s", i+1, show(w), show(g))
		}
	}
	return "no difference"
}
