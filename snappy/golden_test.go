package snappy_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

// Payloads as other implementations wrote them.
var golden = []struct {
	name, wire, ssz string
}{
	{
		"ping, Lodestar",
		"08 ff060000734e61507059 010c0000 0175de41 0100000000000000",
		"0100000000000000",
	},
	{
		"status, Lodestar",
		"54 ff060000734e61507059 001b0000 097802c1 5400da8a010004090009017e2b001c0900000000000000",
		strings.Repeat("da", 36) + "0900000000000000" + strings.Repeat("da", 32) + "0900000000000000",
	},
	{
		"metadata, Lodestar",
		"11 ff060000734e61507059 01150000 ff4669fc 0800000000000000 0000000000000000 00",
		"0800000000000000 0000000000000000 00",
	},
	{
		"error message, Lodestar",
		"0a ff060000734e61507059 010e0000 49b97aaf 544553545f4552524f52",
		"544553545f4552524f52",
	},
	{
		"status, Teku",
		"54 ff060000734e61507059 002d0000 7e8c1ea2 540000aa01007c30a903798306695d21d1faa76363a0070677130835e503760b0e84479b7819e6114b",
		strings.Repeat("00", 44) + "30a903798306695d21d1faa76363a0070677130835e503760b0e84479b7819e6" + strings.Repeat("00", 8),
	},
	{
		"error message, Teku",
		"0b ff060000734e61507059 010f0000 c839768d 4261642072657175657374",
		"4261642072657175657374",
	},
	{
		"metadata, lambdaclass",
		"11 ff060000734e61507059 01150000 cd11e7d5 3a03000000000000 ffffffffffffffff 0f",
		"3a03000000000000 ffffffffffffffff 0f",
	},
	{
		"goodbye, Lantern",
		"08 ff060000734e61507059 010c0000 02cd1656 8100000000000000",
		"8100000000000000",
	},
	{
		"root, iq80",
		"20 ff060000734e61507059 000a0000 0eb49f4d 2000117a0100",
		strings.Repeat("11", 32),
	},
	{
		"range, iq80",
		"10 ff060000734e61507059 01140000 de50a893 f106000000000000 1000000000000000",
		"f106000000000000 1000000000000000",
	},
}

func TestGoldenPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range golden {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wire, ssz := unhex(t, test.wire), unhex(t, test.ssz)
			r := bytes.NewReader(wire)
			n, err := snappy.ReadHeader(r, snappy.Bounds{Min: len(ssz), Max: len(ssz)})
			if err != nil {
				t.Fatal(err)
			}
			var p snappy.Payload
			if err := snappy.ReadPayload(r, n, &p); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.SSZ, ssz) {
				t.Errorf("got SSZ %x, want %x", p.SSZ, ssz)
			}
			if !bytes.Equal(p.Frames, wire[1:]) {
				t.Errorf("got frames %x, want %x", p.Frames, wire[1:])
			}
			if err := snappy.ReadEnd(r, n); err != nil {
				t.Error(err)
			}
			if strings.HasPrefix(test.name, "status, Teku") {
				return // Its compressor finds another match at the end.
			}
			if got := snappy.AppendFrames(snappy.AppendHeader(nil, n), ssz); !bytes.Equal(got, wire) {
				t.Errorf("wrote %x, want %x", got, wire)
			}
		})
	}
}
