//go:build attack

package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// attackFor is the most that an attack lasts, whatever becomes of the process that has ordered it.
const attackFor = 5 * time.Minute

// An attackOrder says what a process of attackers is to do.
type attackOrder struct {
	Attack    string // one of attackKinds
	Transport string // one of yamux, mplex and quic
	Peers     int
	Rate      float64 // streams or connections per second of each peer
	Target    peer.AddrInfo
}

// attackTotals are what a process of attackers has done.
type attackTotals struct{ Opened, Failed int64 }

// attackKinds are what one attacker does until its context ends.
var attackKinds = map[string]func(a *attacker, ctx context.Context){
	"half-negotiated: one byte": func(a *attacker, ctx context.Context) { a.halfNegotiate(ctx, "\x13", 12*time.Second) },
	"half-negotiated: header": func(a *attacker, ctx context.Context) {
		a.halfNegotiate(ctx, "\x13/multistream/1.0.0\n", 12*time.Second)
	},
	"half-negotiated: reset early": func(a *attacker, ctx context.Context) { a.halfNegotiate(ctx, "\x13", 1800*time.Millisecond) },
	"idle":                         (*attacker).idle,
	"new keys":                     (*attacker).renew,
	"malformed requests":           (*attacker).malform,
	"callers that are gone":        (*attacker).vanish,
	"answers not read":             (*attacker).stall,
}

// An attacker is one peer, or with new keys a series of them.
type attacker struct {
	order          attackOrder
	host           host.Host
	server         *beacon.Server
	opened, failed *atomic.Int64
}

// runAttackers is the process of the attackers. It connects them, tells their IDs, waits for a line to begin, and
// tells what it has done for each line that follows. The end of the process takes its connections along.
func runAttackers(text string) error {
	runtime.GOMAXPROCS(1) // which leaves the service a core
	var order attackOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), attackFor)
	defer cancel()
	var opened, failed atomic.Int64
	all := make([]*attacker, order.Peers)
	ids := make([]peer.ID, order.Peers)
	for i := range all {
		a := &attacker{order: order, opened: &opened, failed: &failed}
		var err error
		if a.host, a.server, err = newPeer(order.Transport); err != nil {
			return err
		}
		if order.Attack != "new keys" {
			a.conn(ctx)
		}
		all[i], ids[i] = a, a.host.ID()
	}
	answer, questions := json.NewEncoder(os.Stdout), bufio.NewScanner(os.Stdin)
	if err := answer.Encode(ids); err != nil || !questions.Scan() {
		return err
	}
	var wg sync.WaitGroup
	for i, a := range all {
		wg.Go(func() {
			// Attackers that open their streams at the same moment are fewer at any other.
			sleep(ctx, time.Duration(float64(time.Second)/order.Rate)*time.Duration(i)/time.Duration(len(all)))
			attackKinds[order.Attack](a, ctx)
		})
	}
	for questions.Scan() {
		if err := answer.Encode(attackTotals{opened.Load(), failed.Load()}); err != nil {
			return err
		}
	}
	cancel()
	wg.Wait()
	return nil
}

// newPeer makes a host of one transport that answers to status and ping.
func newPeer(transport string) (host.Host, *beacon.Server, error) {
	options := []libp2p.Option{
		libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	}
	switch transport {
	case "quic":
		options = append(options, libp2p.Transport(quic.NewTransport))
	case "yamux":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport))
	case "mplex":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New), libp2p.Muxer(mplex.ID, mplex.DefaultTransport))
	default:
		return nil, nil, fmt.Errorf("no transport %q", transport)
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, nil, err
	}
	server := beacon.NewServer(h, devchain.Network(), &beacontest.Chain{}, &beacon.ServerOptions{Now: benchNow})
	if err := server.Start(); err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return h, server, nil
}

func (a *attacker) leave() {
	_ = a.server.Stop(context.Background())
	_ = a.host.Close()
}

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// each calls do at the attacker's rate.
func (a *attacker) each(ctx context.Context, do func(n int) error) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / a.order.Rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := do(n); err != nil {
			a.failed.Add(1)
		} else {
			a.opened.Add(1)
		}
	}
}

// conn returns a connection to the target, which is made anew if need be. It is nil if the target refuses.
func (a *attacker) conn(ctx context.Context) network.Conn {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := a.host.Connect(ctx, transportOf(a.order.Target, a.order.Transport)); err != nil {
		return nil
	}
	if conns := a.host.Network().ConnsToPeer(a.order.Target.ID); len(conns) > 0 {
		return conns[0]
	}
	return nil
}

// transportOf leaves the addresses of one transport.
func transportOf(info peer.AddrInfo, transport string) peer.AddrInfo {
	var addrs []multiaddr.Multiaddr
	for _, addr := range info.Addrs {
		if strings.Contains(addr.String(), "/quic") == (transport == "quic") {
			addrs = append(addrs, addr)
		}
	}
	return peer.AddrInfo{ID: info.ID, Addrs: addrs}
}

// open opens a stream that has nothing negotiated.
func (a *attacker) open(ctx context.Context) (network.Stream, error) {
	conn := a.conn(ctx)
	if conn == nil {
		return nil, network.ErrNoConn
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := conn.NewStream(ctx)
	if err != nil {
		return nil, err
	}
	_ = stream.SetWriteDeadline(time.Now().Add(time.Second))
	return stream, nil
}

// halfNegotiate begins to negotiate streams, and resets them after a time.
func (a *attacker) halfNegotiate(ctx context.Context, begin string, hold time.Duration) {
	type held struct {
		stream network.Stream
		since  time.Time
	}
	var streams []held
	a.each(ctx, func(int) error {
		for len(streams) > 0 && time.Since(streams[0].since) > hold {
			_ = streams[0].stream.Reset()
			streams = streams[1:]
		}
		stream, err := a.open(ctx)
		if err != nil {
			return err
		}
		streams = append(streams, held{stream, time.Now()})
		_, err = io.WriteString(stream, begin)
		return err
	})
}

// idle exchanges a status and does nothing, and comes back when it is left.
func (a *attacker) idle(ctx context.Context) {
	known := network.Conn(nil)
	a.each(ctx, func(int) error {
		conn := a.conn(ctx)
		if conn == nil {
			return network.ErrNoConn
		}
		if conn == known {
			return nil
		}
		_, err := a.server.Handshake(ctx, a.order.Target.ID)
		if err == nil {
			known = conn
		}
		return err
	})
}

// renew asks for the most there is with a new key each time.
func (a *attacker) renew(ctx context.Context) {
	a.each(ctx, func(int) error {
		fresh := &attacker{order: a.order}
		var err error
		if fresh.host, fresh.server, err = newPeer(a.order.Transport); err != nil {
			return err
		}
		defer fresh.leave()
		if fresh.conn(ctx) == nil {
			return network.ErrNoConn
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		_, err = request(ctx, fresh.host, a.order.Target.ID, storeProtocol, rangeRequest())
		return err
	})
}

// malformed are requests that no client sends, by their kind.
var malformed = []struct {
	kind    string
	id      protocol.ID
	request string
}{
	{"bad varint", storeProtocol, strings.Repeat("\xff", 11)},
	{"bad snappy", storeProtocol, "\x18\xff\x06\x00\x00sNaPpX"},
	{"wrong size", storeProtocol, string(framed(make([]byte, 23)))},
	{"trailing bytes", storeProtocol, string(rangeRequest()) + "!"},
	{"unknown SSZ", rootProtocol, string(framed(make([]byte, 33)))},
}

const rootProtocol = beacon.ProtocolPrefix + "/beacon_blocks_by_root/2/ssz_snappy"

func framed(b []byte) []byte { return snappy.AppendFrames(snappy.AppendHeader(nil, len(b)), b) }

func (a *attacker) malform(ctx context.Context) {
	a.each(ctx, func(n int) error {
		if a.conn(ctx) == nil {
			return network.ErrNoConn
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		m := malformed[n%len(malformed)]
		_, err := request(ctx, a.host, a.order.Target.ID, m.id, []byte(m.request))
		return err
	})
}

// vanish does what an honest caller does who is gone, or whose connection is cut.
func (a *attacker) vanish(ctx context.Context) {
	a.each(ctx, func(n int) error {
		if a.conn(ctx) == nil {
			return network.ErrNoConn
		}
		stream, err := a.host.NewStream(ctx, a.order.Target.ID, storeProtocol)
		if err != nil {
			return err
		}
		whole := rangeRequest()
		switch n % 4 {
		case 0: // before the request
			return stream.Close()
		case 1: // within the request
			_, err := stream.Write(whole[:len(whole)/2])
			return errors.Join(err, stream.Reset())
		case 2: // within the answer
			_, err := stream.Write(whole)
			return errors.Join(err, stream.CloseWrite(), stream.Reset())
		default: // with the connection
			_, err := stream.Write(whole[:len(whole)/2])
			return errors.Join(err, stream.Conn().Close())
		}
	})
}

// stall asks for the most there is and reads nothing of it.
func (a *attacker) stall(ctx context.Context) {
	a.each(ctx, func(int) error {
		if a.conn(ctx) == nil {
			return network.ErrNoConn
		}
		opening, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		stream, err := a.host.NewStream(opening, a.order.Target.ID, storeProtocol)
		if err != nil {
			return err
		}
		_ = stream.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = stream.Write(rangeRequest())
		return errors.Join(err, stream.CloseWrite())
	})
}

// request makes one request and returns the whole answer.
func request(ctx context.Context, h host.Host, to peer.ID, id protocol.ID, wire []byte) ([]byte, error) {
	stream, err := h.NewStream(ctx, to, id)
	if err != nil {
		return nil, err
	}
	defer stream.Reset()
	deadline, _ := ctx.Deadline()
	_ = stream.SetDeadline(deadline)
	if _, err := stream.Write(wire); err != nil {
		return nil, err
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(stream)
}
