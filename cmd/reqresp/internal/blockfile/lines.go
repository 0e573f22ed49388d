package blockfile

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxLine holds the longest block in hexadecimal and leaves room for the other fields.
const maxLine = 2*snappy.MaxPayloadSize + 1<<20

type line struct {
	SSZ    string          `json:"ssz_hex"`
	Slot   *ssz.Slot       `json:"slot"`
	Root   *ssz.Root       `json:"block_root_hex"`
	Digest *ssz.ForkDigest `json:"context_hex"`
}

func readLines(r io.Reader, yield func(Record, error) bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n, blocks := 0, 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		record, err := parseLine(text)
		record.Line = n
		if !yield(record, err) || err != nil {
			return
		}
		blocks++
	}
	err := lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		yield(Record{Line: n + 1}, fmt.Errorf("%w: the line has more than %d bytes", ErrTooLong, maxLine))
	case err != nil:
		yield(Record{Line: n + 1}, err)
	case blocks == 0:
		yield(Record{}, fmt.Errorf("no blocks: %w", ErrFormat))
	}
}

func parseLine(text []byte) (Record, error) {
	if text[0] != '{' {
		return Record{}, ErrFormat
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Record{}, err
	}
	encoded, err := hex.DecodeString(strings.TrimPrefix(l.SSZ, "0x"))
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("ssz_hex: %w", err)
	case len(encoded) == 0:
		return Record{}, errors.New("ssz_hex is missing or empty: want a SignedBeaconBlock in SSZ, as hexadecimal")
	}
	return Record{SSZ: encoded, Slot: l.Slot, Root: l.Root, Digest: l.Digest}, nil
}
