package plugin_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func fuluGenesis() *store.Network {
	genesis, root := beacontest.FuluGenesis()
	return &store.Network{
		Config: beacontest.FuluConfig(), GenesisTime: uint64(genesis.Unix()),
		GenesisValidatorsRoot: root,
	}
}

// fuluBlocks are those of a real chain of Deneb, Electra and Fulu up to a slot.
func fuluBlocks(head ssz.Slot) []*beacon.Block {
	return slices.DeleteFunc(slices.Clone(beacontest.FuluBlocks()), func(b *beacon.Block) bool { return b.Slot > head })
}

// A client in Fulu asks a node that holds blocks alone for what it expects of every node: record, metadata,
// status and answers agree.
func TestNodeOfBlocksAloneInFulu(t *testing.T) {
	n := beacontest.FuluNetwork()
	const head = 213 // slot 201 has blobs
	service := startStandalone(t, "", plugin.Config{
		Genesis: fuluGenesis(), Listen: loopback, Now: func() time.Time { return n.TimeAt(head + 1) },
		Discovery: &discovery.Config{Listen: "127.0.0.1:0"},
	})
	if err := service.Store().Append(t.Context(), fuluBlocks(head)...); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			h, err := libp2p.New(libp2p.NoListenAddrs)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			at := addrOf(t, service.Host(), transport)
			if err := h.Connect(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			checkFuluNode(t, beacon.NewClient(h, beacon.NewFamily(n), nil), at.ID, service.Record())
		})
	}
}

func checkFuluNode(t *testing.T, c *beacon.Client, to peer.ID, record string) {
	t.Helper()
	n := c.Family().Network()
	status, err := c.Status(t.Context(), to, beacon.Status{ForkDigest: n.DigestAt(26)})
	if err != nil || status.HeadSlot != 213 || status.EarliestAvailableSlot != 202 {
		t.Fatalf("status %+v, %v", status, err)
	}
	md, err := c.MetaData(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	node, err := enode.Parse(enode.ValidSchemes, record)
	if err != nil {
		t.Fatal(err)
	}
	var announced uint64
	if err := node.Load(enr.WithEntry("cgc", &announced)); err != nil || announced != md.CustodyGroupCount ||
		announced != 4 {
		t.Errorf("the record has %d custody groups, %v, the metadata %d", announced, err, md.CustodyGroupCount)
	}
	id, err := beacon.NodeIDOf(to)
	if err != nil || id != beacon.NodeID(node.ID()) {
		t.Errorf("node ID %x, %v, the record's is %x", id, err, node.ID())
	}
	ours := beacon.CustodyColumns(id, md.CustodyGroupCount)
	var others []uint64
	for column := range uint64(128) {
		if !slices.Contains(ours, column) {
			others = append(others, column)
		}
	}
	for _, tt := range []struct {
		name    string
		got     error
		refused bool
	}{
		{"columns of a block with blobs", columnsOf(t, c, to, 201, 1, ours), true},
		{"columns of others' custody", columnsOf(t, c, to, 201, 1, others), false},
		{"columns from the earliest slot on", columnsOf(t, c, to, status.EarliestAvailableSlot, 100, ours), false},
		{"columns across electra and fulu", columnsOf(t, c, to, 60, 27, ours), false},
		{"columns across electra, fulu and a block with blobs", columnsOf(t, c, to, 60, 28, ours), true},
		{"blobs of a block with blobs", last(c.BlobSidecarsByRange(t.Context(), to, 61, 1)), true},
		{"blobs of blocks without", last(c.BlobSidecarsByRange(t.Context(), to, 62, 5)), false},
		{"blobs across deneb and electra", last(c.BlobSidecarsByRange(t.Context(), to, 31, 5)), false},
		{"blobs of fulu", last(c.BlobSidecarsByRange(t.Context(), to, 80, 100)), false},
		{"columns by root", last(c.DataColumnSidecarsByRoot(t.Context(), to, []ssz.DataColumnsByRootIdentifier{
			{BlockRoot: fuluBlocks(201)[len(fuluBlocks(201))-1].Root, Columns: ours},
		})), false},
	} {
		e, ok := errors.AsType[*reqresp.Error](tt.got)
		if refused := ok && e.Code == reqresp.CodeResourceUnavailable; refused != tt.refused || !refused && tt.got != nil {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
}

func columnsOf(t *testing.T, c *beacon.Client, to peer.ID, start ssz.Slot, count uint64, columns []uint64) error {
	t.Helper()
	return last(c.DataColumnSidecarsByRange(t.Context(), to, start, count, columns))
}

// An interruptingPacer does something before some chunk is sent.
type interruptingPacer struct {
	before    int
	interrupt func()
}

func (p *interruptingPacer) Admit(context.Context, peer.ID, *reqresp.Spec) (reqresp.Admission, error) {
	return p, nil
}

func (p *interruptingPacer) Refused(peer.ID, *reqresp.Spec) {}

func (p *interruptingPacer) Reserve(context.Context, reqresp.Cost) error {
	if p.before--; p.before == 0 {
		p.interrupt()
	}
	return nil
}

func (p *interruptingPacer) Settle(reqresp.Cost) {}
func (p *interruptingPacer) Release()            {}

// A store that is reorganized or pruned while an answer is under way ends it in good order.
func TestStoreThatChangesDuringAnAnswer(t *testing.T) {
	blocks := fuluBlocks(215)
	const first = 100
	at := func(slot ssz.Slot) ssz.Root {
		return blocks[slices.IndexFunc(blocks, func(b *beacon.Block) bool { return b.Slot == slot })].Root
	}
	prune := func(ctx context.Context, s *store.Store) error { return s.Prune(ctx, 200) }
	truncate := func(ctx context.Context, s *store.Store) error { return s.Truncate(ctx, 50) }
	// A block of another branch, in the place of that of slot 101.
	reorganize := func(ctx context.Context, s *store.Store) error {
		if err := s.Truncate(ctx, first+1); err != nil {
			return err
		}
		other := *blocks[slices.IndexFunc(blocks, func(b *beacon.Block) bool { return b.Slot == first+1 })]
		other.Root = ssz.Root{1}
		return s.Append(ctx, &other)
	}
	for _, tt := range []struct {
		name    string
		change  func(context.Context, *store.Store) error
		before  int // the chunk before which that happens
		ask     func(ctx context.Context, c *beacon.Client, to peer.ID) (int, error)
		want    int
		refused bool
	}{
		{"pruned before the first of a range", prune, 1, askRange(first, 10), 0, true},
		{"pruned before the third of a range", prune, 3, askRange(first, 10), 2, false},
		{"truncated before the first of a range", truncate, 1, askRange(first, 10), 0, true},
		{"truncated before the third of a range", truncate, 3, askRange(first, 10), 2, false},
		{"reorganized before the second of a range", reorganize, 2, askRange(first, 10), 1, false},
		{"reorganized before the first of a range", reorganize, 1, askRange(first+1, 10), 0, true},
		{"pruned before the first root", prune, 1, askRoots(at(first), at(210)), 1, false},
		{"truncated before the second root", truncate, 2, askRoots(at(40), at(first), at(41)), 2, false},
		{"pruned before the second ancestor", prune, 2, askHead(at(first), 10), 1, false},
		{"truncated before the head of an ancestry", truncate, 1, askHead(at(first), 10), 0, false},
		{"reorganized before the second ancestor", reorganize, 2, askHead(at(first+5), 10), 1, false},
	} {
		simulate(t, 0, func(t *testing.T, server, client host.Host) {
			s, err := store.Open(memorydb.New(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.SetNetwork(t.Context(), *fuluGenesis()), s.Append(t.Context(), blocks...)); err != nil {
				t.Fatal(err)
			}
			n := beacontest.FuluNetwork()
			pacer := &interruptingPacer{before: tt.before, interrupt: func() {
				if err := tt.change(context.Background(), s); err != nil {
					t.Error(err)
				}
			}}
			srv := beacon.NewServer(server, n, s, &beacon.ServerOptions{
				Limiter: pacer, Now: func() time.Time { return n.TimeAt(215) },
			})
			if err := srv.Start(); err != nil {
				t.Fatal(err)
			}
			defer srv.Stop(context.Background())
			client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
			got, err := tt.ask(t.Context(), beacon.NewClient(client, beacon.NewFamily(n), nil), server.ID())
			e, ok := errors.AsType[*reqresp.Error](err)
			if refused := ok && e.Code == reqresp.CodeResourceUnavailable; got != tt.want || refused != tt.refused || !refused &&
				err != nil {
				t.Errorf("%s: %d blocks, %v, want %d", tt.name, got, err, tt.want)
			}
			if pacer.before > 0 {
				t.Errorf("%s: nothing has happened", tt.name)
			}
		})
	}
}

func askRange(start ssz.Slot, count uint64) func(context.Context, *beacon.Client, peer.ID) (int, error) {
	return func(ctx context.Context, c *beacon.Client, to peer.ID) (n int, err error) {
		for _, err := range c.BlocksByRange(ctx, to, start, count) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}

func askRoots(roots ...ssz.Root) func(context.Context, *beacon.Client, peer.ID) (int, error) {
	return func(ctx context.Context, c *beacon.Client, to peer.ID) (n int, err error) {
		for _, err := range c.BlocksByRoot(ctx, to, roots) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}

func askHead(root ssz.Root, count uint64) func(context.Context, *beacon.Client, peer.ID) (int, error) {
	return func(ctx context.Context, c *beacon.Client, to peer.ID) (n int, err error) {
		for _, err := range c.BlocksByHead(ctx, to, root, count) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
}
