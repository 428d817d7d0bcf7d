package sharedtest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindByEnvironment(t *testing.T) {
	root := t.TempDir()
	want := filepath.Join(root, "reference", "x.json")
	if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvShared, root)
	got, err := find([]string{"reference", "x.json"})
	if err != nil || got != want {
		t.Errorf("find = %q, %v, want %q", got, err, want)
	}
	if got, err := find([]string{"absent"}); err == nil {
		t.Errorf("find of an absent file = %q, want an error", got)
	}
}

func TestFindBesideModule(t *testing.T) {
	parent := t.TempDir()
	deep := filepath.Join(parent, "module", "internal", "p")
	for _, dir := range []string{deep, filepath.Join(parent, "shared", "data")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, "module", "go.mod"), []byte("module m\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvShared, "")
	t.Chdir(deep)
	got, err := find([]string{"data"})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(got) != "data" || filepath.Base(filepath.Dir(got)) != "shared" {
		t.Errorf("find = %q, want .../shared/data", got)
	}
}
