package discovery

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Local is what the record tells of this node. A beacon.Server is one. It is safe for concurrent
// use.
type Local interface {
	// Family returns the family of the network.
	Family() *beacon.Family
	// CurrentEpoch returns the epoch that it is now, which decides the fork digest.
	CurrentEpoch() ssz.Epoch
	// MetaData returns the metadata, whose subnets and custody group count are announced.
	MetaData() ssz.MetaDataV3
}

// A Sink takes the candidates. A peers.Manager is one. It is safe for concurrent use.
type Sink interface {
	// WaitWanted waits until candidates are wanted, and fails when ctx ends.
	WaitWanted(ctx context.Context) error
	// AddCandidate takes a candidate, which may be one that it took before.
	AddCandidate(candidate peer.AddrInfo)
}

// A Discovery finds nodes and is found. It is safe for concurrent use.
type Discovery struct {
	local Local
	sink  Sink
	log   *slog.Logger
	db    *enode.DB
	node  *enode.LocalNode
	udp   *discover.UDPv5

	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// Start begins discovery under the key of a libp2p host that listens on the addresses given. Options may be nil. The
// error tells what is wrong with them, or what cannot be opened; nothing is left open then.
func Start(
	key *ecdsa.PrivateKey, listening []multiaddr.Multiaddr, local Local, sink Sink, opts *Options,
) (*Discovery, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	d := &Discovery{local: local, sink: sink, log: o.Logger}
	if err := d.open(key, listening, &o); err != nil {
		if d.db != nil {
			d.db.Close()
		}
		return nil, err
	}
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(context.Background())
	d.tasks.Go(func() { d.keepRecord(ctx) })
	d.tasks.Go(func() { d.find(ctx) })
	d.log.Info("discovery runs", "record", d.Record())
	return d, nil
}

func (d *Discovery) open(key *ecdsa.PrivateKey, listening []multiaddr.Multiaddr, o *Options) error {
	boot, err := o.bootNodes()
	if err != nil {
		return err
	}
	if d.db, err = enode.OpenDB(o.Database); err != nil {
		return fmt.Errorf("discovery: opening the nodes that are known: %w", err)
	}
	addr, err := o.listenAddr()
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return fmt.Errorf("discovery: listening on %v: %w", addr, err)
	}
	bound := netip.AddrPortFrom(addr.Addr(), uint16(conn.LocalAddr().(*net.UDPAddr).Port))
	d.node = enode.NewLocalNode(d.db, key)
	record.SetEndpoints(d.node, bound, o.ExternalIP)
	record.SetPorts(d.node, listening)
	d.setEntries()
	d.udp, err = discover.ListenV5(conn, d.node, discover.Config{
		PrivateKey: key,
		Bootnodes:  boot,
		Log:        gethlog.NewLogger(o.Logger.Handler()),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("discovery: %w", err), conn.Close())
	}
	return nil
}

// Stop ends discovery and returns when nothing runs any more. It must be called once.
func (d *Discovery) Stop() {
	d.cancel()
	d.udp.Close()
	d.tasks.Wait()
	d.db.Close()
}

// Record returns this node's record as it is now, as text that begins "enr:" and is good as a boot
// node of others.
func (d *Discovery) Record() string { return d.node.Node().String() }

// recordInterval is how often the record is held against what it tells.
const recordInterval = time.Second

func (d *Discovery) keepRecord(ctx context.Context) {
	tick := time.NewTicker(recordInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.setEntries()
		case <-ctx.Done():
			return
		}
	}
}

// setEntries puts into the record what it tells of this node now. It becomes a new one only if something
// has changed.
func (d *Discovery) setEntries() {
	md := d.local.MetaData()
	for _, e := range record.Entries(d.local.Family().Network(), d.local.CurrentEpoch(), &md) {
		d.node.Set(e)
	}
}

// batch is how many candidates are looked for when some are wanted.
const batch = 16

// find looks for candidates while they are wanted. go-ethereum paces the lookups, one a second at most.
func (d *Discovery) find(ctx context.Context) {
	nodes := d.udp.RandomNodes()
	defer nodes.Close()
	// Next waits as long as there is nobody to ask.
	stop := context.AfterFunc(ctx, nodes.Close)
	defer stop()
	for d.sink.WaitWanted(ctx) == nil {
		if !d.addCandidates(nodes) {
			return
		}
	}
}

// addCandidates finds a batch of candidates. It reports false when discovery ends.
func (d *Discovery) addCandidates(nodes enode.Iterator) bool {
	for range batch {
		if !nodes.Next() {
			return false
		}
		// Most nodes are of other networks: they count, as what is wanted may change meanwhile.
		node := nodes.Node()
		info, err := record.Candidate(node, d.local.Family().Network(), d.local.CurrentEpoch())
		if err != nil {
			d.log.Debug("node is no candidate", "node", node.ID(), "err", err)
			continue
		}
		d.sink.AddCandidate(info)
	}
	return true
}
