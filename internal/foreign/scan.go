package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxInstructions bounds a pickle together with those inside it. A layer of a
// plain pickle takes 185 of them; Llama-405B has 882 layers.
const maxInstructions = 1 << 18

// maxMarks bounds the lists, tuples and dictionaries that are open at a time,
// each of which costs whoever runs the pickle 256 bytes; a tensor has three.
const maxMarks = 100

// An argument says what follows the byte of an instruction.
type argument int

const (
	refused argument = iota
	fixed            // width bytes
	text             // a string behind its length of width bytes
	blob             // bytes behind their length of width bytes
	integer          // bytes of a number, at least one, behind their length
	global           // module and name, a line each
	frame            // width bytes that say nothing new
)

// An instruction of a pickle.
type instruction struct {
	argument argument
	width    int
}

// instructions are those that pickles of dictionaries of tensors are made of,
// protocols 2 to 5. Others, such as those that make instances of classes, are
// refused.
var instructions = makeInstructions()

func makeInstructions() (table [256]instruction) {
	for _, op := range []byte("(.NQRab}])estu\x85\x86\x87\x88\x89\x93\x94") {
		table[op] = instruction{fixed, 0}
	}
	for op, in := range map[byte]instruction{
		'K': {fixed, 1}, 'h': {fixed, 1}, 'q': {fixed, 1}, 0x80: {fixed, 1},
		'M': {fixed, 2}, 'J': {fixed, 4}, 'j': {fixed, 4}, 'r': {fixed, 4}, 'G': {fixed, 8},
		0x8c: {text, 1}, 'X': {text, 4}, 0x8d: {text, 8},
		'C': {blob, 1}, 'B': {blob, 4}, 0x8e: {blob, 8},
		0x8a: {integer, 1}, 'c': {global, 0}, opInstance: {global, 0}, 0x95: {frame, 8},
	} {
		table[op] = in
	}
	return table
}

const (
	opStop     = '.'
	opMark     = '('
	closing    = "tue" // instructions that end what a mark began
	opInstance = 'i'   // names a class and calls it
	opBlob     = 'C'   // bytes behind a length of one byte
)

// placeBytes is the length of what stands for a blob: its place and its length
// in the file.
const placeBytes = 16

// A scanner checks a pickle without running it.
type scanner struct {
	b     []byte
	at    int
	marks int // open
}

// scan checks the pickle at the start of b: every instruction is known, every
// length lies within b, classes that are named outright are of allowed, and at
// most *budget instructions are left, from which this pickle's are taken. It
// returns the program with its place for every blob, so that whoever runs it
// allocates nothing of the blobs' size, and the length of the pickle.
func scan(b []byte, allowed []string, budget *int) (program []byte, size int, err error) {
	s := scanner{b: b}
	for {
		start := s.at
		op, err := s.take(1)
		if err != nil {
			return nil, 0, errors.New("the pickle is cut short")
		}
		if *budget--; *budget < 0 {
			return nil, 0, fmt.Errorf("more than %d instructions, far more than tensors take", maxInstructions)
		}
		switch {
		case op[0] == opMark:
			s.marks++
		case strings.IndexByte(closing, op[0]) >= 0:
			s.marks--
		}
		if s.marks > maxMarks {
			return nil, 0, fmt.Errorf("byte %d: more than %d lists inside each other", start, maxMarks)
		}
		data, err := s.argument(op[0], allowed)
		if err != nil {
			return nil, 0, fmt.Errorf("byte %d: %w", start, err)
		}
		switch instructions[op[0]].argument {
		case frame:
		case blob:
			program = append(program, opBlob, placeBytes)
			program = binary.LittleEndian.AppendUint64(program, uint64(s.at-len(data)))
			program = binary.LittleEndian.AppendUint64(program, uint64(len(data)))
		default:
			program = append(program, b[start:s.at]...)
		}
		if op[0] == opStop {
			return program, s.at, nil
		}
	}
}

// take returns the next n bytes.
func (s *scanner) take(n uint64) ([]byte, error) {
	if n > uint64(len(s.b)-s.at) {
		return nil, fmt.Errorf("%d bytes are announced, %d are left", n, len(s.b)-s.at)
	}
	s.at += int(n)
	return s.b[s.at-int(n) : s.at], nil
}

// argument goes past the argument of an instruction and returns its content.
func (s *scanner) argument(op byte, allowed []string) ([]byte, error) {
	in := instructions[op]
	switch in.argument {
	case fixed, frame:
		return s.take(uint64(in.width))
	case text, blob, integer:
		head, err := s.take(uint64(in.width))
		if err != nil {
			return nil, err
		}
		n := binary.LittleEndian.Uint64(append(slices.Clone(head), make([]byte, 8-in.width)...))
		if in.argument == integer && n == 0 {
			return nil, errors.New("a number of no bytes")
		}
		return s.take(n)
	case global:
		module, err := s.line()
		if err != nil {
			return nil, err
		}
		name, err := s.line()
		if err != nil {
			return nil, err
		}
		if full := module + "." + name; op == opInstance || !slices.Contains(allowed, full) {
			return nil, refusal(full)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("instruction %#02x, which no dictionary of tensors needs (protocols 2 to 5)", op)
}

// line returns the text up to the next line feed, which it goes past.
func (s *scanner) line() (string, error) {
	n := bytes.IndexByte(s.b[s.at:], '\n')
	if n < 0 {
		return "", errors.New("a line without an end")
	}
	line, err := s.take(uint64(n) + 1)
	return string(line[:n]), err
}

// refusal is the error about a class or function that is no part of tensors.
func refusal(name string) error {
	return fmt.Errorf("the pickle asks for %.100q; want only tensors of PyTorch in dictionaries, lists and tuples", name)
}
