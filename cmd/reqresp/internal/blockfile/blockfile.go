// Package blockfile reads signed beacon blocks from files of two kinds, either of which may be
// compressed with gzip:
//
//   - raw SSZ: one SignedBeaconBlock, which is what the beacon API sends as
//     application/octet-stream.
//   - JSON lines: one object a line with ssz_hex and, optionally, what the block is claimed to be:
//     slot (a number), block_root_hex and context_hex, its fork digest. Texts are hexadecimal, with
//     or without 0x. Other fields are ignored, and so are empty lines.
//
// What a file is shows in its first bytes. Whether a block is what it is claimed to be is for the
// caller to check: it depends on the network.
package blockfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var (
	// ErrFormat is wrapped by the error for a file that is of neither kind.
	ErrFormat = errors.New("neither JSON lines nor a SignedBeaconBlock in SSZ")
	// ErrTooLong is wrapped by the error for a block or a line that is longer than any block
	// can be.
	ErrTooLong = errors.New("longer than any block")
)

// A Record is a block as a file has it.
type Record struct {
	// Line is the number of the line, from 1 on, or 0 in a file of raw SSZ.
	Line int
	// SSZ is the encoded SignedBeaconBlock, not checked. It belongs to whoever holds the record.
	SSZ []byte
	// Slot, Root and Digest are what the line claims. Nil if it does not.
	Slot   *ssz.Slot
	Root   *ssz.Root
	Digest *ssz.ForkDigest
}

// sszStart is how every SignedBeaconBlock begins: the offset of its message. No JSON does.
var sszStart = []byte{100, 0, 0, 0}

// Read yields the blocks of a file in its order. An error is the last pair; the record beside it
// has the number of the line. The sequence can be used once.
func Read(file io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, err := decompress(file)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if !isSSZ(r) {
			readLines(r, yield)
			return
		}
		encoded, err := readSSZ(r)
		yield(Record{SSZ: encoded}, err)
	}
}

// PeekSlot returns the slot of the block in a file of raw SSZ, of which it reads no more than the
// beginning. It reports false for JSON lines, whose slots differ.
func PeekSlot(file io.Reader) (slot ssz.Slot, ok bool, err error) {
	r, err := decompress(file)
	if err != nil || !isSSZ(r) {
		return 0, false, err
	}
	start, err := r.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false, err
	}
	header, err := ssz.PeekBlock(start)
	return header.Slot, err == nil, err
}

// headerSize is more than ssz.PeekBlock looks at.
const headerSize = 256

func decompress(file io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReader(file)
	magic, err := r.Peek(2)
	switch {
	case len(magic) == 0 && errors.Is(err, io.EOF):
		return nil, fmt.Errorf("empty file: %w", ErrFormat)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case !bytes.Equal(magic, []byte{0x1f, 0x8b}):
		return r, nil
	}
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return bufio.NewReader(unzipped), nil
}

func isSSZ(r *bufio.Reader) bool {
	start, err := r.Peek(len(sszStart))
	return err == nil && bytes.Equal(start, sszStart)
}

func readSSZ(r io.Reader) ([]byte, error) {
	encoded, err := io.ReadAll(io.LimitReader(r, snappy.MaxPayloadSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(encoded) > snappy.MaxPayloadSize:
		return nil, fmt.Errorf("%w, which is at most %d bytes", ErrTooLong, snappy.MaxPayloadSize)
	}
	return encoded, nil
}
