package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// An Environment says on what kind of machine, and in what state of it, times were
// taken. It names the kind, never the machine: no host name, no address, no
// serial number.
type Environment struct {
	Hardware
	Kernel     string `json:"kernel,omitempty"`   // release of the operating system's kernel
	Governor   string `json:"governor,omitempty"` // CPU frequency governor of the first core
	GoVersion  string `json:"go"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Load       Load   `json:"load"` // when it was read
}

// Hardware is the part of an Environment that decides how fast things are.
type Hardware struct {
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	CPU      string   `json:"cpu"`      // brand string
	Features []string `json:"features"` // instruction sets, sorted by cpuid's numbering
	Cores    int      `json:"cores"`    // physical; 0 = unknown
	Threads  int      `json:"threads"`  // logical processors that the process may use
	L1D      int      `json:"l1d"`      // bytes; -1 = unknown
	L2       int      `json:"l2"`       // bytes; -1 = unknown
	L3       int      `json:"l3"`       // bytes; -1 = unknown
	Memory   int64    `json:"memory"`   // bytes of RAM; 0 = unknown
}

// Load is the system's load average: how many processes, ours included, ran or
// waited to run. On an idle machine it is near 0, so that before a run it shows foreign work.
type Load struct {
	Minute  float64 `json:"1m"`
	Five    float64 `json:"5m"`
	Fifteen float64 `json:"15m"`
}

// ReadEnvironment describes this machine; root is the root of its file system
// (os.DirFS("/")), of which proc and sys are read. What the system does not tell is
// left zero.
func ReadEnvironment(root fs.FS) Environment {
	c := &cpuid.CPU
	return Environment{
		Hardware: Hardware{
			OS: runtime.GOOS, Arch: runtime.GOARCH,
			CPU: strings.TrimSpace(c.BrandName), Features: c.FeatureSet(), Cores: c.PhysicalCores, Threads: runtime.NumCPU(),
			L1D: c.Cache.L1D, L2: c.Cache.L2, L3: c.Cache.L3,
			Memory: memInfo(root, "MemTotal:"),
		},
		Kernel:     readLine(root, "proc/sys/kernel/osrelease"),
		Governor:   readLine(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		GoVersion:  runtime.Version(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		Load:       ReadLoad(root),
	}
}

// LastCache returns the bytes of the last cache before memory; 0 = unknown.
func (h Hardware) LastCache() int64 {
	for _, n := range []int{h.L3, h.L2, h.L1D} {
		if n > 0 {
			return int64(n)
		}
	}
	return 0
}

// Identity returns 12 hex digits that are equal for machines of the same
// hardware. Memory counts in whole GiB, since the kernel's own share varies.
func (h Hardware) Identity() string {
	h.Memory >>= 30
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// ReadLoad returns the load averages of the system whose file system is root.
func ReadLoad(root fs.FS) Load {
	var l Load
	f := strings.Fields(readLine(root, "proc/loadavg"))
	for i, dst := range []*float64{&l.Minute, &l.Five, &l.Fifteen} {
		if i < len(f) {
			*dst, _ = strconv.ParseFloat(f[i], 64)
		}
	}
	return l
}

// memInfo returns a field of proc/meminfo in bytes; 0 when it is not told.
func memInfo(root fs.FS, field string) int64 {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) == 3 && f[0] == field && f[2] == "kB" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// readLine returns the first line of a small file, or "" when it cannot be read.
func readLine(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	text, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(text)
}
