package resources_test

import (
	"strings"
	"testing"

	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const mib = 1 << 20

func newPlan(t *testing.T, specs []*reqresp.Spec, o resources.Options) *resources.Plan {
	t.Helper()
	plan, err := resources.New(specs, &o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// The table of the package's documentation.
func TestMemoryIsDivided(t *testing.T) {
	for _, tt := range []struct {
		memory                         int64
		streams, served, peer, served1 int
	}{
		{64 * mib, 128, 48, 18, 2},
		{256 * mib, 512, 192, 27, 11},
		{1024 * mib, 2048, 768, 61, 45},
		{2048 * mib, 4096, 1024, 76, 60},
	} {
		plan := newPlan(t, beacon.NewFamily(ssz.Mainnet()).Specs(), resources.Options{Memory: tt.memory})
		system := plan.HostLimits().ToPartialLimitConfig().System
		if plan.MaxStreams != tt.served || plan.PeerStreams != tt.peer || plan.MaxStreamsPerPeer != tt.served1 ||
			plan.MaxMemory != int(tt.memory/4) || system.Streams != rcmgr.LimitVal(tt.streams) {
			t.Errorf("%d MiB: %+v, %d streams", tt.memory/mib, plan, system.Streams)
		}
		gossip := newPlan(t, nil, resources.Options{Memory: tt.memory, Gossipsub: true})
		if gossip.PeerStreams != tt.peer+2 {
			t.Errorf("%d MiB: %d streams of a peer with gossipsub, want two more than %d", tt.memory/mib,
				gossip.PeerStreams, tt.peer)
		}
	}
}

// There have to be too many streams before there is too little memory for their windows: yamux ends
// the connection then.
func TestWindowsOfAllStreamsFit(t *testing.T) {
	const window = 256 << 10
	specs := beacon.NewFamily(ssz.Mainnet()).Specs()
	for _, o := range []resources.Options{
		{},
		{Memory: resources.MinMemory},
		{Memory: resources.MaxMemory},
		{Memory: resources.MinMemory, Calls: 1 << 17, Peers: 1},
		{Memory: 1024 * mib, MaxStreams: 1},
		{Memory: 1024 * mib, PerMethod: 18, Peers: 1 << 16},
		{Memory: resources.MinMemory, Gossipsub: true},
		{Memory: 1024 * mib, Peers: 1 << 16, Gossipsub: true},
		{Memory: resources.MaxMemory, Gossipsub: true},
	} {
		plan := newPlan(t, specs, o)
		c := plan.HostLimits().ToPartialLimitConfig()
		for name, l := range map[string]rcmgr.ResourceLimits{"host": c.System, "peer": c.PeerDefault} {
			if l.Streams != l.StreamsInbound+l.StreamsOutbound || int64(l.Streams)*window > int64(l.Memory) {
				t.Errorf("%+v: %s: %d+%d=%d streams in %d bytes", o, name, l.StreamsInbound, l.StreamsOutbound, l.Streams, l.Memory)
			}
			if l.StreamsInbound < 1 || l.StreamsOutbound < 1 {
				t.Errorf("%+v: %s: %+v has no room for a stream", o, name, l)
			}
		}
		if c.Transient.StreamsInbound < c.PeerDefault.StreamsInbound {
			t.Errorf("%+v: one peer fills the %d streams in negotiation", o, c.Transient.StreamsInbound)
		}
		if plan.MaxStreams+int(c.Transient.StreamsInbound) > int(c.System.StreamsInbound) {
			t.Errorf("%+v: %d+%d streams of %d", o, plan.MaxStreams, c.Transient.StreamsInbound, c.System.StreamsInbound)
		}
		if peers := max(o.Peers, 1); int(c.System.ConnsInbound) < 3*peers || int(c.System.Conns) < 3*peers {
			t.Errorf("%+v: %d connections", o, c.System.Conns)
		}
	}
}

// A peer that obeys the specs has MAX_CONCURRENT_REQUESTS with each method, and one that does not
// is to be told so by the limiter.
func TestProtocolsHaveRoomForAllMethods(t *testing.T) {
	const perMethod = limits.DefaultMaxConcurrent + limits.DefaultMaxQueue
	specs := beacon.NewFamily(ssz.Mainnet()).Specs()
	plan := newPlan(t, specs, resources.Options{Memory: 1024 * mib, PerMethod: perMethod})
	names := make(map[string]bool)
	c := plan.Limits()
	for _, spec := range specs {
		names[spec.Name()] = true
		for _, id := range spec.Protocols() {
			l := c.ProtocolPeer[id]
			if l.StreamsInbound <= perMethod || l.StreamsOutbound < 2 || int(c.Protocol[id].StreamsInbound) < 2*plan.MaxStreams {
				t.Errorf("%s: %+v", id, l)
			}
			if most := int64(spec.Limits().MaxRequest + spec.Limits().MaxResponse); int64(l.Memory)*8/10 < most ||
				int64(c.Stream.Memory)*8/10 < most {
				t.Errorf("%s: no room for a message of %d bytes in %d", id, most, l.Memory)
			}
		}
	}
	if need := 2 * len(names); plan.MaxStreamsPerPeer < need {
		t.Errorf("%d streams of a peer, but %d methods", plan.MaxStreamsPerPeer, len(names))
	}
	if plan.Limits().System != (rcmgr.ResourceLimits{}) || plan.Limits().PeerDefault != (rcmgr.ResourceLimits{}) {
		t.Error("limits to be merged bound other protocols")
	}
}

// Gossipsub has streams of its own: as many peers as the memory is for have theirs, and no stream fewer is there for
// all else.
func TestGossipsubTakesNoStreamsOfOthers(t *testing.T) {
	specs := beacon.NewFamily(ssz.Mainnet()).Specs()
	for _, tt := range []struct {
		memory int64
		peers  int
		want   rcmgr.LimitVal // streams of gossipsub in each direction
	}{
		{64 * mib, 64, 32},
		{256 * mib, 64, 128},
		{1024 * mib, 64, 192},
		{1024 * mib, 10, 30},
	} {
		o := resources.Options{Memory: tt.memory, Peers: tt.peers}
		without := newPlan(t, specs, o).HostLimits().ToPartialLimitConfig()
		o.Gossipsub = true
		plan := newPlan(t, specs, o)
		with := plan.HostLimits().ToPartialLimitConfig()
		all, peer := with.Service[gossipsub.ServiceName], with.ServicePeer[gossipsub.ServiceName]
		if all.StreamsInbound != tt.want || all.StreamsOutbound != tt.want || all.Streams != 2*tt.want {
			t.Errorf("%d MiB, %d peers: gossipsub has %+v, want %d streams each way", tt.memory/mib, tt.peers, all, tt.want)
		}
		for _, id := range gossipsub.Protocols() {
			if with.Protocol[id].Streams != all.Streams || with.ProtocolPeer[id].Streams != peer.Streams {
				t.Errorf("%s: %+v, of a peer %+v", id, with.Protocol[id], with.ProtocolPeer[id])
			}
		}
		if with.System.StreamsInbound != without.System.StreamsInbound+all.StreamsInbound ||
			with.System.StreamsOutbound != without.System.StreamsOutbound+all.StreamsOutbound ||
			with.PeerDefault.StreamsInbound != without.PeerDefault.StreamsInbound+peer.StreamsInbound ||
			with.PeerDefault.StreamsOutbound != without.PeerDefault.StreamsOutbound+peer.StreamsOutbound ||
			with.Service[reqresp.ServiceName] != without.Service[reqresp.ServiceName] {
			t.Errorf("%d MiB, %d peers: system %+v, peer %+v", tt.memory/mib, tt.peers, with.System, with.PeerDefault)
		}
		if with.Service[gossipsub.ServiceName] == without.Service[gossipsub.ServiceName] {
			t.Error("a host without gossipsub has limits for it")
		}
	}
}

func TestMergedLimitsKeepWhatTheirOwnerSet(t *testing.T) {
	specs := beacon.NewFamily(ssz.Mainnet()).Specs()
	plan := newPlan(t, specs, resources.Options{Memory: 1024 * mib})
	id := specs[0].Protocols()[0]
	mine := rcmgr.PartialLimitConfig{
		System:  rcmgr.ResourceLimits{Streams: 7},
		Service: map[string]rcmgr.ResourceLimits{reqresp.ServiceName: {StreamsInbound: 5}, "other": {Streams: 3}},
	}
	mine.Apply(plan.Limits())
	c := mine.Build(rcmgr.DefaultLimits.AutoScale()).ToPartialLimitConfig()
	service := c.Service[reqresp.ServiceName]
	if c.System.Streams != 7 || service.StreamsInbound != 5 ||
		service.Memory != plan.Limits().Service[reqresp.ServiceName].Memory ||
		c.Service["other"].Streams != 3 || c.Protocol[id].StreamsInbound != plan.Limits().Protocol[id].StreamsInbound {
		t.Errorf("system %+v, service %+v, other %+v, %s %+v", c.System, service, c.Service["other"], id, c.Protocol[id])
	}
}

func TestErrorsNameTheValueAndWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct {
		o    resources.Options
		want string
	}{
		{resources.Options{Memory: 1}, "Memory is 1 bytes, want 67108864 (64 MiB) to 1099511627776 (1 TiB), or 0"},
		{resources.Options{Memory: -1}, "Memory is -1 bytes"},
		{resources.Options{Memory: resources.MaxMemory + 1}, "Memory is 1099511627777 bytes"},
		{
			resources.Options{Memory: 1024 * mib, MaxStreams: 769},
			"MaxStreams is 769, want 1 to 768, which is what 1024 MiB of Memory are for",
		},
		{resources.Options{MaxStreams: -1}, "MaxStreams is -1"},
		{resources.Options{Peers: -1}, "Peers is -1, want 1 to 65536"},
		{resources.Options{Peers: 1<<16 + 1}, "Peers is 65537, want 1 to 65536"},
		{resources.Options{Memory: 64 * mib, MaxStreamsPerPeer: 49}, "MaxStreamsPerPeer is 49, want 1 to 48"},
		{resources.Options{PerMethod: -1}, "PerMethod is -1"},
		{resources.Options{Calls: -1}, "Calls is -1"},
	} {
		if _, err := resources.New(nil, &tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.o, err, tt.want)
		}
	}
	if _, err := resources.New(nil, nil); err != nil {
		t.Errorf("defaults: %v", err)
	}
	if m := resources.DefaultMemory(); m < 256*mib || m > 2048*mib {
		t.Errorf("default memory is %d", m)
	}
}
