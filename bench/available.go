package bench

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// AvailableMemory returns the bytes that this process may still take: what the
// system says can be had without swapping (MemAvailable), or less where a
// control group leaves less. Root is the root of the file system. It is 0
// where nothing is told.
func AvailableMemory(root fs.FS) int64 {
	left := int64(math.MaxInt64)
	if n := memInfo(root, "MemAvailable:"); n > 0 {
		left = n
	}
	group, ok := strings.CutPrefix(readLine(root, "proc/self/cgroup"), "0::/")
	for dir := group; ok; dir = path.Dir(dir) {
		left = min(left, groupMemory(root, path.Join("sys/fs/cgroup", dir)))
		if dir == "." || dir == "" || dir == "/" {
			break
		}
	}
	if left == math.MaxInt64 {
		return 0
	}
	return max(left, 0)
}

// groupMemory returns what a control group (version 2) leaves, counting as
// free the file pages that it would drop first.
func groupMemory(root fs.FS, dir string) int64 {
	limit, err := strconv.ParseInt(readLine(root, dir+"/memory.max"), 10, 64)
	if err != nil { // "max", or no such group
		return math.MaxInt64
	}
	used, err := strconv.ParseInt(readLine(root, dir+"/memory.current"), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	b, _ := fs.ReadFile(root, dir+"/memory.stat") // without it, pages count as used
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "inactive_file "); ok {
			pages, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			used -= pages
		}
	}
	return limit - used
}
