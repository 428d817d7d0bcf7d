package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reportRecords puts the records of testdata/script/report.txt into an empty working folder.
func reportRecords(t *testing.T) (dir string) {
	t.Helper()
	head, _, _ := strings.Cut(string(read(t, "testdata/script/report.txt")), "-- script --\n")
	dir = t.TempDir()
	unpack(t, dir, head)
	t.Chdir(dir)
	return dir
}

// names lists the files of a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestReportFiles: several formats in one call give what each gives alone.
func TestReportFiles(t *testing.T) {
	dir := reportRecords(t)
	args := []string{"report", "s.jsonl"}
	for _, f := range formats {
		args = append(args, "--format", f+"=t."+f)
	}
	if o := command(dir, nil, args...); o.code != 0 || o.stdout != "" || o.stderr != "" {
		t.Fatalf("%+v", o)
	}
	if o := command(dir, nil, "report", "s.jsonl", "--format", "md", "-o", "o.md"); o.code != 0 || o.stdout != "" {
		t.Fatalf("%+v", o)
	}
	if got, want := names(t, dir), []string{"o.md", "s.jsonl", "t.csv", "t.json", "t.md", "t.tex", "t.text"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	for _, f := range formats {
		if alone := command(dir, nil, "report", "s.jsonl", "--format", f).stdout; alone == "" || alone != string(read(t, "t."+f)) {
			t.Errorf("%s: the file differs from standard output", f)
		}
	}
	if string(read(t, "o.md")) != string(read(t, "t.md")) {
		t.Error("-o o.md differs from --format md=t.md")
	}
}

// TestReportWritesAllOrNothing: a file that cannot be written leaves the others as they were.
func TestReportWritesAllOrNothing(t *testing.T) {
	dir := reportRecords(t)
	write(t, "ok.md", []byte("before"))
	o := command(dir, nil, "report", "s.jsonl", "--format", "md=ok.md", "--format", "csv="+filepath.Join("no", "such.csv"), "--format", "text")
	if o.code != exitTool || o.stdout != "" || !strings.Contains(o.stderr, "such.csv cannot be written") {
		t.Errorf("%+v", o)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"ok.md", "s.jsonl"}) || string(read(t, "ok.md")) != "before" {
		t.Errorf("files %q, ok.md: %s", got, read(t, "ok.md"))
	}
}
