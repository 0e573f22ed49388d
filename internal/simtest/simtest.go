// Package simtest has what tests of several packages need: hosts on a simulated network in virtual time, hosts on the
// loopback interface, and waiting.
package simtest

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
)

// OneWay is how long a packet is on its way.
const OneWay = 5 * time.Millisecond

// Options are those of a simulation. The zero value has two hosts.
type Options struct {
	// Hosts is how many there are. Zero means 2.
	Hosts int
	// At is what the bubble's clock shows as the simulation begins. Zero means midnight of 2000-01-01.
	At time.Time
	// BitsPerSecond is that of each host's link. Zero means a gigabit.
	BitsPerSecond int
	// Latency is how long a packet is on its way. Nil means OneWay.
	Latency func(*simnet.Packet) time.Duration
	// Host has further options of each host, whose transport is QUIC.
	Host func() []libp2p.Option
}

// A Network is a simulated network.
type Network struct {
	// Hosts are those that there are from the beginning. They do not know of each other.
	Hosts []host.Host

	sim  *simnet.Simnet
	link simnet.NodeBiDiLinkSettings
	made int
}

// Run runs f with hosts on a simulated network, in a bubble of virtual time.
func Run(t *testing.T, o Options, f func(t *testing.T, n *Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if !o.At.IsZero() {
			time.Sleep(time.Until(o.At))
		}
		f(t, New(t, o))
	})
}

// Pair is Run with two hosts that know of each other, but are not connected.
func Pair(t *testing.T, o Options, f func(t *testing.T, a, b host.Host)) {
	t.Helper()
	Run(t, o, func(t *testing.T, n *Network) {
		a, b := n.Hosts[0], n.Hosts[1]
		Introduce(a, b)
		Introduce(b, a)
		f(t, a, b)
	})
}

// New makes a network in a bubble, which ends with the test.
func New(t testing.TB, o Options) *Network {
	t.Helper()
	if o.Hosts == 0 {
		o.Hosts = 2
	}
	if o.BitsPerSecond == 0 {
		o.BitsPerSecond = 1000 * simlibp2p.OneMbps
	}
	if o.Latency == nil {
		o.Latency = func(*simnet.Packet) time.Duration { return OneWay }
	}
	link := simnet.LinkSettings{BitsPerSecond: o.BitsPerSecond}
	n := &Network{
		sim:  &simnet.Simnet{LatencyFunc: o.Latency, Logger: slog.New(slog.DiscardHandler)},
		link: simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link},
	}
	for range o.Hosts {
		var opts []libp2p.Option
		if o.Host != nil {
			opts = o.Host()
		}
		h, err := n.NewHost(opts...)
		if err != nil {
			t.Fatal(err)
		}
		n.Hosts = append(n.Hosts, h)
	}
	n.sim.Start()
	t.Cleanup(func() {
		for _, h := range n.Hosts {
			_ = h.Close()
		}
		n.sim.Close()
	})
	return n
}

// NewHost makes one more host, which the caller closes.
func (n *Network) NewHost(opts ...libp2p.Option) (host.Host, error) {
	n.made++
	return libp2p.New(append([]libp2p.Option{
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%s/udp/8000/quic-v1", simnet.IntToPublicIPv4(n.made))),
		simlibp2p.QUICSimnet(n.sim, n.link),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
	}, opts...)...)
}

// Introduce has a host know the addresses of others.
func Introduce(to host.Host, hosts ...host.Host) {
	for _, h := range hosts {
		to.Peerstore().AddAddrs(h.ID(), h.Addrs(), peerstore.PermanentAddrTTL)
	}
}

// NewHost makes a host of the real network, with the options given and nothing that talks on its own. It ends with the
// test.
func NewHost(t testing.TB, opts ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(slices.Concat(opts, []libp2p.Option{
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	})...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
