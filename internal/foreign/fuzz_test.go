package foreign

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sketchbench/sketchbench/internal/fuzztest"
)

// hostile pickles, with what the refusal must name.
func hostile(victim string) map[string]struct{ pickle, want string } {
	length := func(op string, n uint64) string {
		return "\x80\x04" + op + string(binary.LittleEndian.AppendUint64(nil, n))
	}
	return map[string]struct{ pickle, want string }{
		"system, protocol 0":       {"cos\nsystem\n(S'touch " + victim + "'\ntR.", `"os.system"`},
		"system, protocol 4":       {"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94X" + counted4("touch "+victim) + "\x94\x85\x94R\x94.", `"posix.system"`},
		"eval":                     {"\x80\x02c__builtin__\neval\nX" + counted4("open('"+victim+"','w')") + "\x85R.", `"__builtin__.eval"`},
		"eval in python 3":         {"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", `"builtins.eval"`},
		"instance":                 {"(X\x04\x00\x00\x00trueios\nsystem\n.", `"os.system"`},
		"exec beside a tensor":     {"\x80\x02}X\x01\x00\x00\x00ac__builtin__\nexec\ns.", `"__builtin__.exec"`},
		"getattr":                  {"\x80\x02cbuiltins\ngetattr\n.", `"builtins.getattr"`},
		"object":                   {"\x80\x02c__builtin__\nobject\n)\x81.", `"__builtin__.object"`},
		"reconstructor":            {"\x80\x02ccopy_reg\n_reconstructor\n.", `"copy_reg._reconstructor"`},
		"numpy":                    {"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.", `"numpy.core.multiarray._reconstruct"`},
		"another type of storage":  {"\x80\x02ctorch\nLongStorage\n.", `"torch.LongStorage"`},
		"a new object":             {"\x80\x02ccollections\nOrderedDict\n)\x81.", "instruction 0x81"},
		"an extension":             {"\x80\x02\x82\x01.", "instruction 0x82"},
		"a huge text":              {length("\x8d", 1<<62), "4611686018427387904 bytes are announced"},
		"a huge blob":              {length("\x8e", 1<<40), "1099511627776 bytes are announced"},
		"a huge blob, 32 bits":     {"\x80\x03B\xff\xff\xff\xff.", "4294967295 bytes are announced"},
		"a number of no bytes":     {"\x80\x02\x8a\x00.", "a number of no bytes"},
		"no end":                   {"\x80\x02}", "cut short"},
		"nothing":                  {"", "cut short"},
		"the last opcode":          {"\xff", "instruction 0xff"},
		"an odd dictionary":        {"\x80\x02}(X\x01\x00\x00\x00au.", "malformed pickle"},
		"a key that has no hash":   {"\x80\x02ccollections\nOrderedDict\n)R(C\x00Nu.", "malformed pickle"},
		"an array from nowhere":    {"\x80\x02X\x01\x00\x00\x00aQ.", "outside of the pickle"},
		"marks without end":        {"\x80\x02" + strings.Repeat("(", 1<<20), "more than 100 lists inside each other"},
		"empty tuples":             {"\x80\x02" + strings.Repeat("(t", 1<<19), "instructions, far more"},
		"deep nesting":             {"\x80\x02)" + strings.Repeat("\x85", 1<<16) + ".", "holds a tuple"},
		"a dictionary in itself":   {"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", "a dictionary, want a pair"},
		"a list that calls itself": {"\x80\x02]q\x00h\x00ah\x00)R.", "REDUCE requires"},
		"a tensor of no storage":   {"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))tR.", "do not fit together"},
		"a tensor with flags":      {"\x80\x03ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\nB" + counted4(halfStorage) + "\x85RK\x00K\x01\x85K\x01\x85\x89N}tR.", "with flags"},
		"a storage in a storage":   {nested(3), "a storage inside a storage"},
		"an archive of nothing":    {"PK\x03\x04", "zip"},
	}
}

// halfStorage is one zero of f16, in the older format of torch.save.
var halfStorage = string(legacyMagic) + "\x80\x02M\xe9\x03.\x80\x02}.\x80\x02(" + word("storage") + "ctorch\nHalfStorage\n" + word("1") + word("cpu") +
	"K\x01NtQ.\x80\x02](" + word("1") + "e.\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func word(s string) string { return "X" + counted4(s) }

func counted4(s string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// nested is a storage that is made of the bytes of another, and so on.
func nested(depth int) string {
	inner := string(legacyMagic) + "\x80\x02M\xe9\x03.\x80\x02}."
	s := "\x80\x02N."
	for range depth {
		s = "\x80\x03ctorch.storage\n_load_from_bytes\nB" + counted4(inner+s) + "\x85R."
	}
	return s
}

// TestHostilePickles refuses, by name, what would run code or ask for much
// memory, without doing any of it.
func TestHostilePickles(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "made")
	for name, c := range hostile(victim) {
		t.Run(name, func(t *testing.T) {
			var err error
			fuzztest.Bounded(t, len(c.pickle), func() { err = readLayers([]byte(c.pickle)) })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %s", err, c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if _, err := os.Stat(victim); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s was made: %v", victim, err)
			}
		})
	}
}

// readLayers reads a checkpoint as openSketchTune does, and makes the weight of
// the first layer.
func readLayers(b []byte) error {
	layers, err := parseDict(b)
	if err != nil {
		return err
	}
	names := sortedKeys(layers)
	if len(names) == 0 {
		return nil
	}
	l, err := sketchTuneLayer("file", names[0], layers[names[0]], "", nil)
	if err != nil {
		return err
	}
	w, err := l.weight(nil)
	if err != nil {
		return err
	}
	if out, in := w.Dims(); out != l.Out || in != l.In || w.Bytes() != l.Bytes {
		panic("the weight is not as announced")
	}
	return w.Check()
}

// FuzzPickle reads made-up checkpoints of SketchTune: the answer is an error or
// layers that keep what they announce.
func FuzzPickle(f *testing.F) {
	for _, name := range []string{"sketchtune2/llama.pkl", "sketchtune2/llama.pt", "sketchtune2/legacy.pt", "sketchtune2/strided.pt", "sketchtune2/" + TrainedFile} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, c := range hostile("made") {
		if len(c.pickle) < 1<<10 {
			f.Add([]byte(c.pickle))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), func() { _ = readLayers(b) })
	})
}

// FuzzFolder opens folders with a made-up description and a made-up file of
// tensors: the answer is errors that name a file of the folder, or layers that
// keep what they announce.
func FuzzFolder(f *testing.F) {
	for _, name := range []string{"gptq4", "gptq3v2", "gptq4act", "awq", "lora"} {
		var config, tensors []byte
		files, err := filepath.Glob(filepath.Join("testdata", name, "*"))
		if err != nil || len(files) != 2 {
			f.Fatalf("%s: files %v, %v", name, files, err)
		}
		kind := ""
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if strings.HasSuffix(file, ".json") {
				config, kind = b, filepath.Base(file)
			} else {
				tensors = b
			}
		}
		f.Add(kind, config, tensors)
	}
	f.Add("config.json", []byte(`{"quantization_config":{"quant_method":"gptq","bits":4,"group_size":9223372036854775807}}`), []byte{})
	f.Add("quant_config.json", []byte(`{"w_bit":4,"q_group_size":1}`), []byte{})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, kind string, config, tensors []byte) {
		switch kind {
		case "config.json", "quantize_config.json", "quant_config.json", adapterConfig:
		default:
			t.Skip()
		}
		for name, b := range map[string][]byte{kind: config, "adapter_model.safetensors": tensors} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		defer os.Remove(filepath.Join(dir, kind))
		fuzztest.Bounded(t, len(config)+len(tensors), func() { checkFolder(t, dir) })
	})
}

func checkFolder(t *testing.T, dir string) {
	c, err := Open(Source{Path: dir, Format: Auto}, testModel())
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.Contains(line, dir) {
				t.Errorf("the error does not name the file: %v", line)
			}
		}
		return
	}
	for _, spec := range testModel() {
		l, ok := c.Linear(spec.Name)
		if !ok {
			continue
		}
		w, err := c.Weight(spec.Name, base(spec))
		if err != nil {
			continue
		}
		if out, in := w.Dims(); out != spec.Shape[0] || in != spec.Shape[1] || w.Bytes() != l.Bytes {
			t.Errorf("%s: %d×%d of %d bytes, announced %d×%d of %d", spec.Name, out, in, w.Bytes(), l.Out, l.In, l.Bytes)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
