package snappy_test

import (
	"bufio"
	"bytes"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

// A request is one payload and the end of the stream.
func Example() {
	var stream bytes.Buffer // In place of the peer's stream.

	ping := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	wire := snappy.AppendHeader(nil, len(ping))
	wire = snappy.AppendFrames(wire, ping)
	stream.Write(wire)
	fmt.Printf("sent %x\n", wire)

	br := bufio.NewReader(&stream)
	n, err := snappy.ReadHeader(br, snappy.Bounds{Min: 8, Max: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	ssz, err := snappy.AppendPayload(nil, br, n)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := snappy.ReadEnd(br, n); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("received %x\n", ssz)

	// Output:
	// sent 08ff060000734e61507059010c00000175de410100000000000000
	// received 0100000000000000
}

// The frames received are good for the store, and for the next peer.
func ExampleReadPayload() {
	block := bytes.Repeat([]byte("block "), 1000)
	wire := snappy.AppendFrames(snappy.AppendHeader(nil, len(block)), block)

	br := bufio.NewReader(bytes.NewReader(wire))
	n, err := snappy.ReadHeader(br, snappy.Bounds{Min: 404, Max: snappy.MaxPayloadSize})
	if err != nil {
		fmt.Println(err)
		return
	}
	var p snappy.Payload
	if err := snappy.ReadPayload(br, n, &p); err != nil {
		fmt.Println(err)
		return
	}
	onward := append(snappy.AppendHeader(nil, len(p.SSZ)), p.Frames...)
	fmt.Println(len(p.SSZ), bytes.Equal(onward, wire))

	// Output:
	// 6000 true
}

// Frames from elsewhere are sent as they are if every peer can read them, and
// framed anew if not.
func ExampleCheckFrames() {
	padding := []byte{0xfe, 2, 0, 0, 0, 0}
	foreign := append(snappy.AppendFrames(nil, []byte("beacon block")), padding...)

	n, err := snappy.CheckFrames(foreign)
	fmt.Println(n, err)

	if n, err = snappy.DecodedLen(foreign); err != nil {
		fmt.Println(err)
		return
	}
	ssz, err := snappy.AppendDecoded(nil, foreign, n)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err = snappy.CheckFrames(snappy.AppendFrames(nil, ssz))
	fmt.Println(n, err)

	// Output:
	// 0 snappy: frames are not canonical: chunk of type 0xfe
	// 12 <nil>
}
