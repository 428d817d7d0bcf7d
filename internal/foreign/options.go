package foreign

import (
	"fmt"
	"slices"
	"strings"
)

// Version of what the readers make; bumped when it changes.
const Version = 1

// ImportOptions are the parameters of the method import in a scenario.
type ImportOptions struct {
	Path    string `yaml:"path" doc:"of the checkpoint: a folder, or the file of a sketchtune one"`
	Format  string `yaml:"format" doc:"of the checkpoint; auto finds out"`
	Trained string `yaml:"trained" doc:"file or folder with trained tables of a sketchtune checkpoint"`
}

// DefaultImportOptions finds the format out.
func DefaultImportOptions() ImportOptions { return ImportOptions{Format: Auto} }

// Choices lists the words that fields may be.
func (*ImportOptions) Choices() map[string][]string { return map[string][]string{"format": Formats()} }

// Check returns the faults of o, each naming its field.
func (o *ImportOptions) Check() []error {
	if !slices.Contains(Formats(), o.Format) {
		return []error{fmt.Errorf("format: %s, want one of %s", o.Format, strings.Join(Formats(), ", "))}
	}
	return nil
}

// Source returns what o names.
func (o *ImportOptions) Source() (Source, error) {
	return Source{Path: o.Path, Format: o.Format, Trained: o.Trained}, needPath(o.Path, "a folder, or the file of a sketchtune checkpoint")
}

// ExternalOptions are the parameters of the method external in a scenario.
type ExternalOptions struct {
	Path     string  `yaml:"path" doc:"of a folder with dequantised weights under the model's names"`
	Bits     float64 `yaml:"bits" doc:"stored bits per weight that the weights are billed by"`
	Declared string  `yaml:"declared" doc:"JSON file in the folder with the stored bytes of every linear layer, instead of bits"`
}

// Check returns the faults of o, each naming its field.
func (o *ExternalOptions) Check() []error {
	if !(o.Bits >= 0 && o.Bits <= 32) {
		return []error{fmt.Errorf("bits: %v, want above 0 and at most 32", o.Bits)}
	}
	return nil
}

// Source returns what o names.
func (o *ExternalOptions) Source() (Source, error) {
	s := Source{Path: o.Path, Format: External, Bits: o.Bits, Declaration: o.Declared}
	if err := needPath(o.Path, "a folder with dequantised weights"); err != nil {
		return s, err
	}
	switch {
	case o.Bits == 0 && o.Declared == "":
		return s, fmt.Errorf("bits: missing: want the stored bits per weight, or declared, a file with the bytes of every linear layer")
	case o.Bits > 0 && o.Declared != "":
		return s, fmt.Errorf("bits: declared says the size too: remove one of the two")
	}
	return s, nil
}

func needPath(path, want string) error {
	if path == "" {
		return fmt.Errorf("path: missing, want %s", want)
	}
	return nil
}
