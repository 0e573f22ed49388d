package beacon_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Messages in SSZ, by hand.
func statusV1() []byte {
	digest := devBlock(headSlot).Digest
	final, head := devBlock(finalizedSlot).Root, devBlock(headSlot).Root
	return join(digest[:], final[:], uints(uint64(finalEpoch)), head[:], uints(uint64(headSlot)))
}

// statusV2 has the slot after the last block with blobs, whose sidecars the test chain does not hold: the head.
func statusV2() []byte { return join(statusV1(), uints(uint64(headSlot+1))) }

func rootList(roots ...ssz.Root) (b []byte) {
	for _, root := range roots {
		b = append(b, root[:]...)
	}
	return b
}

var testMetaData = ssz.MetaDataV3{
	SeqNumber: 9, Attnets: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Syncnets: [1]byte{15},
	CustodyGroupCount: 4,
}

// Whole payloads, computed from the specs by a program that shares no code with this
// module: varint, stream identifier, one uncompressed chunk.
var (
	ping7     = unhex("08 ff060000734e61507059 010c0000 bbd79f11 0700000000000000")
	ping9     = unhex("08 ff060000734e61507059 010c0000 37f97139 0900000000000000")
	goodbye3  = unhex("08 ff060000734e61507059 010c0000 b099490e 0300000000000000")
	metaData2 = unhex("11 ff060000734e61507059 01150000 2658c02e 0900000000000000 0102030405060708 0f")
	metaData3 = unhex("19 ff060000734e61507059 011d0000 45303269 0900000000000000 0102030405060708 0f 0400000000000000")
	range63   = unhex("18 ff060000734e61507059 011c0000 8d880b75 3f00000000000000 0200000000000000 0100000000000000")
	count0    = unhex("13 ff060000734e61507059 01170000 0b8258ec 636f756e74206d757374206e6f742062652030")
)

func success(payload []byte) []byte { return join([]byte{0}, payload) }

// exchanges are one good exchange of every protocol, and verdicts.
func exchanges() []exchange {
	return []exchange{
		{"status v1", idStatusV1, payload(statusV1()), success(payload(statusV1()))},
		{"status v2", idStatusV2, payload(statusV2()), success(payload(statusV2()))},
		{"goodbye", idGoodbye, goodbye3, success(goodbye3)},
		{"ping", idPing, ping7, success(ping9)},
		{"metadata v2", idMetaDataV2, nil, success(metaData2)},
		{"metadata v3", idMetaDataV3, nil, success(metaData3)},
		{"blocks by range", idByRange, range63, chunks(63, 64)},
		{"blocks by root", idByRoot, payload(rootList(rootsOf(64, 63)...)), chunks(64, 63)},
		{"no roots", idByRoot, []byte{0}, nil},
		{"verdict", idByRange, payload(uints(63, 0, 1)), join([]byte{1}, count0)},
		{"unavailable", idByRange, payload(uints(1, 8, 1)), result(3, []byte("what was asked for is not available"))},
	}
}

type exchange struct {
	name     string
	id       protocol.ID
	request  []byte
	response []byte
}

func TestServerWritesWhatTheSpecsSay(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{MetaData: func() ssz.MetaDataV3 { return testMetaData }})
		for _, tt := range exchanges() {
			got, err := ask(t, client, server, tt.id, tt.request)
			if err != nil || !bytes.Equal(got, tt.response) {
				t.Errorf("%s: got %x, %v\nwant %x", tt.name, got, err, tt.response)
			}
		}
	})
}

func TestClientWritesWhatTheSpecsSay(t *testing.T) {
	var ours, ours1 beacon.Status
	must(0, ours.UnmarshalSSZ(statusV2()))
	ours1 = ours
	ours1.EarliestAvailableSlot = 0
	md2 := testMetaData
	md2.CustodyGroupCount = 0
	calls := map[string]func(*testing.T, *beacon.Client, host.Host) (got, want any, err error){
		"status v1": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			status, err := c.Status(t.Context(), to.ID(), ours)
			return status, ours1, err
		},
		"status v2": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			status, err := c.Status(t.Context(), to.ID(), ours)
			return status, ours, err
		},
		"goodbye": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			return nil, nil, c.Goodbye(t.Context(), to.ID(), beacon.GoodbyeFault)
		},
		"ping": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			seq, err := c.Ping(t.Context(), to.ID(), 7)
			return seq, uint64(9), err
		},
		"metadata v2": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			md, err := c.MetaData(t.Context(), to.ID())
			return *md, md2, err
		},
		"metadata v3": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			md, err := c.MetaData(t.Context(), to.ID())
			return *md, testMetaData, err
		},
		"blocks by range": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			blocks, err := collect(c.BlocksByRange(t.Context(), to.ID(), 63, 2))
			return blockList(blocks), blockList{devBlock(63), devBlock(64)}, err
		},
		"blocks by root": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			blocks, err := collect(c.BlocksByRoot(t.Context(), to.ID(), rootsOf(64, 63)))
			return blockList(blocks), blockList{devBlock(64), devBlock(63)}, err
		},
		"no roots": func(t *testing.T, c *beacon.Client, to host.Host) (any, any, error) {
			blocks, err := collect(c.BlocksByRoot(t.Context(), to.ID(), nil))
			return blockList(blocks), blockList(nil), err
		},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		for _, tt := range exchanges() {
			call := calls[tt.name]
			if call == nil {
				continue
			}
			var asked []byte
			answerRaw(t, server, tt.id, func(request []byte) []byte {
				asked = request
				return tt.response
			})
			connect(t, client, server)
			got, want, err := call(t, newClient(client), server)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, %v\nwant %v", tt.name, got, err, want)
			}
			if wire := canonical(tt); !bytes.Equal(asked, wire) {
				t.Errorf("%s: asked with %x\nwant %x", tt.name, asked, wire)
			}
			// The peer supports one protocol at a time.
			must(0, client.Network().ClosePeer(server.ID()))
			server.RemoveStreamHandler(tt.id)
			must(0, client.Peerstore().SetProtocols(server.ID()))
		}
	})
}

// canonical returns the request as a compressing encoder writes it.
func canonical(tt exchange) []byte {
	if tt.name == "blocks by range" {
		return payload(uints(63, 2, 1))
	}
	return tt.request
}

// A blockList prints as everything a client has to find out about blocks.
type blockList []*beacon.Block

func (l blockList) String() (s string) {
	for _, b := range l {
		s += fmt.Sprintf("%d %v %v %v %v %x %x\n", b.Slot, b.Root, b.ParentRoot, b.Fork, b.Digest, b.SSZ, b.Frames)
	}
	return s
}

func TestServerWritesEachChunkAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		rec := &recordingHost{Host: server}
		serve(t, rec, devChain(), beacon.ServerOptions{})
		if _, err := ask(t, client, server, idByRange, payload(uints(60, 5, 1))); err != nil {
			t.Fatal(err)
		}
		var want []int
		for slot := ssz.Slot(60); slot < 65; slot++ {
			want = append(want, len(chunks(slot)))
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if !slices.Equal(rec.writes, want) {
			t.Errorf("wrote %d bytes, want chunks of %d", rec.writes, want)
		}
	})
}

// A recordingHost notes the sizes of what is written to the streams that it
// accepts.
type recordingHost struct {
	host.Host

	mu     sync.Mutex
	writes []int
}

func (h *recordingHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(stream network.Stream) { handler(&recordingStream{stream, h}) })
}

type recordingStream struct {
	network.Stream
	host *recordingHost
}

func (s *recordingStream) Write(b []byte) (int, error) {
	s.host.mu.Lock()
	s.host.writes = append(s.host.writes, len(b))
	s.host.mu.Unlock()
	return s.Stream.Write(b)
}
