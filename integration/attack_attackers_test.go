//go:build attack

package integration_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
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
type attackTotals struct{ Opened, Failed, Read int64 }

// attackKinds are what one attacker does until its context ends.
var attackKinds = map[string]func(a *attacker, ctx context.Context){
	"half-negotiated: one byte": func(a *attacker, ctx context.Context) { a.halfNegotiate(ctx, "\x13", 12*time.Second) },
	"half-negotiated: header": func(a *attacker, ctx context.Context) {
		a.halfNegotiate(ctx, "\x13/multistream/1.0.0\n", 12*time.Second)
	},
	"half-negotiated: reset early": func(a *attacker, ctx context.Context) {
		a.halfNegotiate(ctx, "\x13", 1800*time.Millisecond)
	},
	"half-negotiated: reset at once": func(a *attacker, ctx context.Context) {
		a.halfNegotiate(ctx, "\x13", 900*time.Millisecond)
	},
	"idle":                  (*attacker).idle,
	"greedy":                (*attacker).demand,
	"new keys":              (*attacker).renew,
	"malformed requests":    (*attacker).malform,
	"callers that are gone": (*attacker).vanish,
	"answers not read":      (*attacker).stall,
}

// An attacker is one peer, or with new keys a series of them.
type attacker struct {
	order  attackOrder
	host   host.Host
	server *beacon.Server
	dialed time.Time

	opened, failed, read *atomic.Int64
}

// reconnect has an attacker that was left connect again, once in a second whatever libp2p's back-off says.
func (a *attacker) reconnect(ctx context.Context) (network.Conn, error) {
	id := a.order.Target.ID
	if a.host.Network().Connectedness(id) != network.Connected {
		if time.Since(a.dialed) < time.Second {
			return nil, network.ErrNoConn
		}
		a.dialed = time.Now()
		a.host.Network().(*swarm.Swarm).Backoff().Clear(id)
	}
	return a.conn(ctx)
}

// runAttackers is the process of the attackers. It connects them, tells their IDs, waits for a line to begin, and
// tells what it has done for each line that follows. The end of the process takes attackers and connections along.
func runAttackers(text string) error {
	runtime.GOMAXPROCS(1) // which leaves the service a core
	var order attackOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), attackFor)
	defer cancel()
	var opened, failed, read atomic.Int64
	all := make([]*attacker, order.Peers)
	ids := make([]peer.ID, order.Peers)
	for i := range all {
		a := &attacker{order: order, opened: &opened, failed: &failed, read: &read}
		var err error
		if a.host, a.server, err = newPeer(order.Transport, true); err != nil {
			return err
		}
		if order.Attack != "new keys" {
			_, _ = a.conn(ctx)
		}
		all[i], ids[i] = a, a.host.ID()
	}
	answer, questions := json.NewEncoder(os.Stdout), bufio.NewScanner(os.Stdin)
	if err := answer.Encode(ids); err != nil || !questions.Scan() {
		return err
	}
	for i, a := range all {
		go func() {
			// Attackers that open their streams at the same moment are fewer at any other.
			sleep(ctx, time.Duration(float64(time.Second)/order.Rate)*time.Duration(i)/time.Duration(len(all)))
			attackKinds[order.Attack](a, ctx)
		}()
	}
	for questions.Scan() {
		if err := answer.Encode(attackTotals{opened.Load(), failed.Load(), read.Load()}); err != nil {
			return err
		}
	}
	return nil
}

// newKey returns a key whose peer is one that isAttacker tells to be an attacker, or not.
func newKey(attacks bool) (crypto.PrivKey, error) {
	for {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			return nil, err
		}
		if id, err := peer.IDFromPrivateKey(key); err != nil || isAttacker(id) == attacks {
			return key, err
		}
	}
}

// newPeer makes a host of one transport that answers to status and ping.
func newPeer(transport string, attacks bool) (host.Host, *beacon.Server, error) {
	key, err := newKey(attacks)
	if err != nil {
		return nil, nil, err
	}
	options := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.NoListenAddrs, libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	}
	switch transport {
	case "quic":
		options = append(options, libp2p.Transport(quic.NewTransport))
	case "yamux":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
			libp2p.Muxer(yamux.ID, yamux.DefaultTransport))
	case "mplex":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
			libp2p.Muxer(mplex.ID, mplex.DefaultTransport))
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

// conn returns a connection to the target, which is made anew if need be.
func (a *attacker) conn(ctx context.Context) (network.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := a.host.Connect(ctx, transportOf(a.order.Target, a.order.Transport)); err != nil {
		return nil, err
	}
	conns := a.host.Network().ConnsToPeer(a.order.Target.ID)
	if len(conns) == 0 {
		return nil, network.ErrNoConn
	}
	return conns[0], nil
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
	conn, err := a.reconnect(ctx)
	if err != nil {
		return nil, err
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
		conn, err := a.reconnect(ctx)
		if err != nil || conn == known {
			return err
		}
		_, err = a.server.Handshake(ctx, a.order.Target.ID)
		if err == nil {
			known = conn
		}
		return err
	})
}

// demand asks for the most there is, again and again, and comes back when it is left.
func (a *attacker) demand(ctx context.Context) {
	a.each(ctx, func(int) error {
		if _, err := a.reconnect(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return a.fetch(ctx, a.host, math.MaxInt64)
	})
}

// fetch asks for the most there is, and reads as much of it as it is told to.
func (a *attacker) fetch(ctx context.Context, h host.Host, most int64) error {
	answer, err := ask(ctx, h, a.order.Target.ID, storeProtocol, rangeRequest(benchFirst))
	if err != nil {
		return err
	}
	defer answer.Reset()
	n, err := io.Copy(io.Discard, io.LimitReader(answer, most))
	a.read.Add(n)
	return err
}

// renew asks for the most there is with a new key each time. It reads all of it, and the first chunk, in turns.
func (a *attacker) renew(ctx context.Context) {
	a.each(ctx, func(n int) error {
		fresh := &attacker{order: a.order}
		var err error
		if fresh.host, fresh.server, err = newPeer(a.order.Transport, true); err != nil {
			return err
		}
		defer fresh.leave()
		if _, err := fresh.conn(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		most := int64(math.MaxInt64)
		if n%2 == 1 {
			most = benchSize / 2
		}
		return a.fetch(ctx, fresh.host, most)
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
	{"trailing bytes", storeProtocol, string(rangeRequest(benchFirst)) + "!"},
	{"unknown SSZ", rootProtocol, string(framed(make([]byte, 33)))},
}

const rootProtocol = beacon.ProtocolPrefix + "/beacon_blocks_by_root/2/ssz_snappy"

func framed(b []byte) []byte { return snappy.AppendFrames(snappy.AppendHeader(nil, len(b)), b) }

func (a *attacker) malform(ctx context.Context) {
	a.each(ctx, func(n int) error {
		if _, err := a.reconnect(ctx); err != nil {
			return err
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
		if _, err := a.reconnect(ctx); err != nil {
			return err
		}
		stream, err := a.host.NewStream(ctx, a.order.Target.ID, storeProtocol)
		if err != nil {
			return err
		}
		whole := rangeRequest(benchFirst)
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
		if _, err := a.reconnect(ctx); err != nil {
			return err
		}
		opening, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		stream, err := a.host.NewStream(opening, a.order.Target.ID, storeProtocol)
		if err != nil {
			return err
		}
		_ = stream.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = stream.Write(rangeRequest(benchFirst))
		return errors.Join(err, stream.CloseWrite())
	})
}

// request makes one request and returns the whole answer.
func request(ctx context.Context, h host.Host, to peer.ID, id protocol.ID, wire []byte) ([]byte, error) {
	stream, err := ask(ctx, h, to, id, wire)
	if err != nil {
		return nil, err
	}
	defer stream.Reset()
	return io.ReadAll(stream)
}

// ask makes one request, whose answer is to be read from the stream.
func ask(ctx context.Context, h host.Host, to peer.ID, id protocol.ID, wire []byte) (network.Stream, error) {
	stream, err := h.NewStream(ctx, to, id)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = stream.SetDeadline(deadline)
	if _, err := stream.Write(wire); err != nil {
		return nil, errors.Join(err, stream.Reset())
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, errors.Join(err, stream.Reset())
	}
	return stream, nil
}
