package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Wire types of protocol buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// fields calls f for every field of a protocol buffer message: value holds a
// varint or the bits of a fixed number, bytes a string or a message.
func fields(b []byte, f func(number, wire int, value uint64, bytes []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("not a protocol buffer: a field's key is cut off")
		}
		b = b[n:]
		number, wire := int(key>>3), int(key&7)
		var value uint64
		var bytes []byte
		switch wire {
		case wireVarint:
			value, n = binary.Uvarint(b)
		case wireFixed64:
			if n = 8; len(b) >= n {
				value = binary.LittleEndian.Uint64(b)
			}
		case wireFixed32:
			if n = 4; len(b) >= n {
				value = uint64(binary.LittleEndian.Uint32(b))
			}
		case wireBytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return fmt.Errorf("not a protocol buffer: field %d is cut off", number)
			}
			n = m + int(size)
			bytes = b[m:n]
		default:
			return fmt.Errorf("not a protocol buffer: field %d has wire type %d", number, wire)
		}
		if n <= 0 || n > len(b) {
			return fmt.Errorf("not a protocol buffer: field %d is cut off", number)
		}
		b = b[n:]
		if err := f(number, wire, value, bytes); err != nil {
			return err
		}
	}
	return nil
}

// readModel reads the ModelProto of sentencepiece_model.proto.
func readModel(b []byte) (*spModel, error) {
	m := &spModel{modelType: 1, bos: 1, dummyPrefix: true, removeSpaces: true, escapeSpaces: true}
	pieces := 0
	err := fields(b, func(number, _ int, _ uint64, _ []byte) error {
		if number == 1 {
			pieces++
		}
		return nil
	})
	if err == nil && pieces > maxVocabulary {
		err = fmt.Errorf("pieces: %d, want 1 to %d", pieces, maxVocabulary)
	}
	if err != nil {
		return nil, err
	}
	m.pieces = make([]piece, 0, pieces)
	err = fields(b, func(number, wire int, _ uint64, bytes []byte) error {
		if number > 5 || number < 1 {
			return nil // extensions
		}
		if wire != wireBytes {
			return fmt.Errorf("not a SentencePiece model: field %d has wire type %d, want %d", number, wire, wireBytes)
		}
		switch number {
		case 1:
			return m.readPiece(bytes)
		case 2:
			return m.readTrainer(bytes)
		case 3:
			return m.readNormalizer(bytes)
		case 5:
			return fields(bytes, func(number, _ int, _ uint64, bytes []byte) error {
				if number == 2 {
					m.denormalizer = len(bytes)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *spModel) readPiece(b []byte) error {
	p := piece{kind: pieceNormal}
	err := fields(b, func(number, _ int, value uint64, bytes []byte) error {
		switch number {
		case 1:
			p.text = string(bytes)
		case 2:
			p.score = math.Float32frombits(uint32(value))
		case 3:
			p.kind = int(value)
		}
		return nil
	})
	m.pieces = append(m.pieces, p)
	return err
}

func (m *spModel) readTrainer(b []byte) error {
	return fields(b, func(number, _ int, value uint64, _ []byte) error {
		switch number {
		case 3:
			m.modelType = int(value)
		case 24:
			m.spaceAsSuffix = value != 0
		case 35:
			m.byteFallback = value != 0
		case 41:
			m.bos = int(int32(value))
		}
		return nil
	})
}

func (m *spModel) readNormalizer(b []byte) error {
	return fields(b, func(number, _ int, value uint64, bytes []byte) error {
		switch number {
		case 1:
			m.normalizer = string(bytes)
		case 2:
			m.charsmap = len(bytes)
		case 3:
			m.dummyPrefix = value != 0
		case 4:
			m.removeSpaces = value != 0
		case 5:
			m.escapeSpaces = value != 0
		case 6:
			m.normalizerRule = len(bytes) > 0
		}
		return nil
	})
}
