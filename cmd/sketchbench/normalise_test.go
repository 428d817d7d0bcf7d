package main

import (
	"regexp"
	"strings"
)

// masks replace what differs from run to run or from machine to machine.
var masks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	// Log lines, durations, dates.
	{regexp.MustCompile(`time=\S+ `), ""},
	{regexp.MustCompile(`\bin \d+(\.\d+)?(ms|s)\b`), "in TIME"},
	{regexp.MustCompile(`\bafter \d+(\.\d+)?(ms|s)\b`), "after TIME"},
	{regexp.MustCompile(`\d+(:\d\d)+ so far(, about \d+(:\d\d)+ left)?`), "TIME so far"},
	{regexp.MustCompile(`about \d+(:\d\d)+ of running`), "about TIME of running"},
	{regexp.MustCompile(`"seconds": [0-9.e+-]+`), `"seconds": SECONDS`},
	{regexp.MustCompile(`\.tmp-\S+-\d+`), ".tmp-NAME"},
	{regexp.MustCompile(`tmp-write-\d+`), "tmp-write-N"},
	{regexp.MustCompile(`(corrupt-[0-9a-f]{64})-\d+`), "$1-N"},
	// What products take in memory follows from the last cache.
	{regexp.MustCompile(`(–\s+0)\s+\d+ MiB`), "$1 MEMORY"},
	// Limits of the machine, and how well its products are known.
	{regexp.MustCompile(`\d+ calls or more each`), "N calls or more each"},
	{regexp.MustCompile(`read peak of memory .* FLOP/B`), "LIMITS"},
	{regexp.MustCompile(`(?m)^warning: kernelspeed: (\d+ of \d+ (times are known less well|samples flagged)|other processes took).*\n\n?`), ""},
	{regexp.MustCompile(`took=\S+`), "took=TIME"},
	{regexp.MustCompile(`used=\S+Z`), "used=TIME"},
	{regexp.MustCompile(`fresh-\d+`), "fresh-N"},
	// The last digits of a sum depend on the kernels.
	{regexp.MustCompile(`pivot \d+ is \S+,`), "pivot N is X,"},
	// The machine and the build.
	{regexp.MustCompile(`(?m)^(sketchbench|commit     |go         |features   ) \S.*\n`), "$1 BUILD\n"},
	{regexp.MustCompile(`(?m)^device cpu/\w+; .*$`), "device DEVICE; 2 threads; PROCESSOR; BUILD"},
	{regexp.MustCompile(`\bcpu/(generic|avx2|avx512)\b`), "cpu/ISA"},
}

// normalise masks what must vary. Tables lose their frames and padding, and
// the columns of times and of peak memory their values.
func normalise(dir, s string) string {
	s = strings.ReplaceAll(s, dir, "$WORK")
	for _, m := range masks {
		s = m.pattern.ReplaceAllString(s, m.by)
	}
	var out []string
	var masked []bool
	for _, line := range strings.Split(s, "\n") {
		switch {
		case strings.HasPrefix(line, "┌") || strings.HasPrefix(line, "└") || strings.HasPrefix(line, "├"):
			continue
		case strings.HasPrefix(line, "│"):
			line, masked = tableRow(strings.Trim(line, "│"), "│", masked)
		case strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "|:-"):
			line = "|---"
		case strings.HasPrefix(line, "|"):
			line, masked = tableRow(strings.Trim(line, "|"), "|", masked)
		case planRow.MatchString(line):
			line = planRow.ReplaceAllString(line, "$1 SECONDS")
		default:
			masked = nil
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// planRow is a case in the text of plan; the seconds are a guess.
var planRow = regexp.MustCompile(`^([0-9a-f]{12}  .*?) +\d+$`)

// timeUnit is the unit of a column of times, which depends on the times.
var timeUnit = regexp.MustCompile(`µs\b|\b(s|ms|ns)\b`)

// tableRow trims the cells of a row. The first row of a table is its head and
// says which columns are masked in the others. What sketchtune gives is masked
// throughout: which code a weight gets may turn on the last bit of a sum, and
// so on the kernels.
func tableRow(line, sep string, masked []bool) (string, []bool) {
	cells := strings.Split(line, sep)
	head := masked == nil
	fragile := strings.HasPrefix(strings.TrimSpace(line), "sketchtune")
	for i, c := range cells {
		c = strings.TrimSpace(c)
		cells[i] = c
		if head {
			timing := strings.HasPrefix(c, "TTFT") || strings.HasPrefix(c, "ratio [") || strings.HasPrefix(c, "ratio at") || strings.Contains(c, "/token") || c == "peak bytes"
			product := strings.HasPrefix(c, "time (") || strings.Contains(c, "peak") || strings.HasSuffix(c, "OP/s") || c == "GB/s" || c == "bound by" || strings.HasPrefix(c, "speed-up")
			masked = append(masked, timing || product)
			cells[i] = timeUnit.ReplaceAllString(c, "UNIT")
		} else if i < len(masked) && (masked[i] || fragile && i > 4) && c != "" && !strings.HasPrefix(c, "—") {
			cells[i] = "MEASURED"
		}
	}
	return strings.Join(cells, " "+sep+" "), masked
}
