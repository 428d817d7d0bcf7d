package bench

import (
	"testing"
	"testing/fstest"
)

func TestAvailableMemory(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	fs := fstest.MapFS{}
	expect := func(what string, want int64) {
		t.Helper()
		if got := AvailableMemory(fs); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	expect("nothing told", 0)
	fs["proc/meminfo"] = file("MemTotal:  1000 kB\nMemAvailable:   800 kB\n")
	expect("meminfo", 800<<10)
	fs["proc/self/cgroup"] = file("0::/job/step\n")
	fs["sys/fs/cgroup/job/step/memory.max"] = file("max\n")
	fs["sys/fs/cgroup/job/step/memory.current"] = file("1\n")
	expect("a group without a limit", 800<<10)
	fs["sys/fs/cgroup/job/memory.max"] = file("600000\n")
	fs["sys/fs/cgroup/job/memory.current"] = file("500000\n")
	expect("the limit of the group above", 100000)
	fs["sys/fs/cgroup/job/memory.stat"] = file("anon 1\ninactive_file 50000\nactive_file 3\n")
	expect("pages that can be dropped", 150000)
	fs["sys/fs/cgroup/job/memory.current"] = file("700000\n")
	expect("over the limit", 0)
}
