package beacon

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Protocol is one protocol ID of the domain, and all that the consensus specs say of it in
// numbers: a row of [Family.Protocols]. It is immutable.
type Protocol struct {
	// Name and Version are elements of the protocol ID, such as beacon_blocks_by_range and 2.
	Name    string
	Version int
	// Request is the SSZ type of the request, by the name that [ssz.Network.ShapeOf] knows. It is
	// empty if no byte is sent.
	Request string
	// Response is the SSZ type of one response chunk.
	Response string
	// Context tells that successful chunks carry a fork digest, that of their own object's epoch, and
	// are of that epoch's fork. Without it they are of the fork First.
	Context bool
	// First and Last are the forks in which servers offer the protocol. From the end of Last on they
	// keep offering it for a while, see OfferedAt.
	First, Last ssz.Fork

	maxItems  func(*ssz.Config, ssz.Fork) uint64            // nil: one
	asked     func(any) uint64                              // nil: one chunk, of unary protocols alone
	retention func(*ssz.Config) uint64                      // epochs; nil: one
	window    func(*ssz.Network, ssz.Slot) ssz.Slot         // nil: nothing is kept
	kind      Kind                                          // of the objects that answer
	offeredIf func(Sources) bool                            // nil: for any chain
	blockHas  owner                                         // of objects that belong to blocks
	gone      gone                                          // what becomes of objects that are discarded meanwhile
	timeouts  reqresp.Timeouts                              // zero: the defaults
	declare   func(reqresp.Family, *Protocol) *reqresp.Spec // makes the descriptor
	serve     func(*Server, *Protocol) reqresp.HandlerFunc

	network   *ssz.Network
	cfg       ssz.Config
	request   *ssz.Shape            // nil if no byte is sent
	responses [newest + 1]*ssz.Type // by fork; nil if it has none
	spec      *reqresp.Spec
}

// newest is the last fork of what no fork has replaced yet.
const newest = ssz.Heze

// resolve looks up the types of a row. Only a mistake in the row can make that fail.
func (p *Protocol) resolve(n *ssz.Network) {
	p.network, p.cfg = n, n.Config()
	for fork := range p.responses {
		of := ssz.Fork(fork)
		switch {
		case !p.Context:
			of = p.First
		case of > p.Last:
			continue // a type that later forks have kept is carried no more
		}
		response, err := n.TypeOf(of, p.Response)
		switch {
		case err == nil:
			p.responses[fork] = &response
		case of >= p.First:
			panic(fmt.Sprintf("beacon: response of %s/%d: %v", p.Name, p.Version, err))
		}
	}
	for fork := p.First; fork <= newest && p.Request != ""; fork++ {
		request, err := n.ShapeOf(fork, p.Request)
		if err != nil {
			panic(fmt.Sprintf("beacon: request of %s/%d: %v: want it in messageTypes of ssz/type.go", p.Name, p.Version, err))
		}
		// How many elements are allowed now is for the server to say.
		if p.request == nil || mostBytes(p.request) < mostBytes(request) {
			p.request = request
		}
	}
}

func mostBytes(s *ssz.Shape) int {
	_, most := s.Bounds()
	return most
}

// limits bound the protocol's messages by their types, those of all forks together.
func (p *Protocol) limits() reqresp.Limits {
	l := reqresp.Limits{MaxRequest: 1, MaxResponse: 1, MaxChunks: 1, Timeouts: p.timeouts}
	if p.request != nil {
		l.MaxRequest = min(mostBytes(p.request), int(p.cfg.MaxPayloadSize))
	}
	for fork := p.First; fork <= newest; fork++ {
		_, most := p.SizeBounds(fork)
		l.MaxResponse = max(l.MaxResponse, most)
		l.MaxChunks = max(l.MaxChunks, int(min(p.MaxItems(fork), math.MaxInt32)))
	}
	return l
}

// ID returns the protocol ID.
func (p *Protocol) ID() protocol.ID { return p.spec.Protocols()[0] }

// Spec returns the description of the protocol for package reqresp. Its Kind tells whether exactly
// one chunk answers a request, or any number of them.
func (p *Protocol) Spec() *reqresp.Spec { return p.spec }

// SizeBounds returns the least and the most bytes of SSZ in one response chunk of a fork: what the
// type allows, and MAX_PAYLOAD_SIZE. Both are 0 if the fork has no such type.
func (p *Protocol) SizeBounds(fork ssz.Fork) (least, most int) {
	t := p.ResponseType(fork)
	if t == nil {
		return 0, 0
	}
	least, most = t.Shape().Bounds()
	return least, min(most, int(p.cfg.MaxPayloadSize))
}

// ResponseType returns the type of response chunks of a fork. It is nil if the fork has none, as
// with blob sidecars from Fulu on.
func (p *Protocol) ResponseType(fork ssz.Fork) *ssz.Type {
	if fork > newest {
		return nil
	}
	return p.responses[fork]
}

// MaxItems returns the most chunks that may answer one request in a fork, as the clock has it.
func (p *Protocol) MaxItems(fork ssz.Fork) uint64 {
	if p.maxItems == nil {
		return 1
	}
	return p.maxItems(&p.cfg, fork)
}

// Asked returns how many chunks a request, a pointer to the protocol's request type, asks for at most,
// whatever is allowed: servers answer by range with no more than MaxItems, or refuse, and refuse longer
// lists. It is 2^64-1 for what is no such request, and 1 for all requests of a protocol that answers with one chunk.
func (p *Protocol) Asked(request any) uint64 {
	if p.asked == nil {
		return 1
	}
	return p.asked(request)
}

// askedBy makes a function of any request of one of the request's own type.
func askedBy[Req any](f func(req *Req) uint64) func(any) uint64 {
	return func(request any) uint64 {
		req, ok := request.(*Req)
		if !ok {
			return math.MaxUint64
		}
		return f(req)
	}
}

// ServedFrom returns the first slot whose objects a server has to serve at a slot, the lower end of
// the serve range of the specs.
func (p *Protocol) ServedFrom(now ssz.Slot) ssz.Slot {
	if p.window == nil {
		return now
	}
	return p.window(p.network, now)
}

// since returns the first slot of the last epochs before a slot, but none before a fork.
func since(n *ssz.Network, now ssz.Slot, epochs uint64, fork ssz.Epoch) ssz.Slot {
	first := n.EpochOf(now)
	first -= min(first, ssz.Epoch(epochs))
	return n.StartSlot(max(first, fork))
}

// within cuts a range of slots to the forks from First to Last, which are those whose objects the
// protocol carries. The count is not zero, and the range does not overflow.
func (p *Protocol) within(start ssz.Slot, count uint64) (ssz.Slot, uint64) {
	first, end := p.network.StartSlot(p.cfg.Forks[p.First].Epoch), p.end()
	last := start + ssz.Slot(count-1)
	if start = max(start, first); start >= end || last < start {
		return start, 0
	}
	return start, uint64(min(last, end-1)-start) + 1
}

// end returns the first slot after the fork Last, the last slot of all if there is none.
func (p *Protocol) end() ssz.Slot {
	if p.Last < newest {
		return p.network.StartSlot(p.cfg.Forks[p.Last+1].Epoch)
	}
	return math.MaxUint64
}

// OfferedAt reports whether servers offer the protocol at an epoch: from its first fork on, until
// some time after its last. That is one epoch, as peers take a moment to notice, and for blob
// sidecars MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS.
func (p *Protocol) OfferedAt(e ssz.Epoch) bool {
	if p.network.ForkAt(e) < p.First {
		return false
	}
	if p.Last >= newest {
		return true
	}
	end := p.cfg.Forks[p.Last+1].Epoch
	if end == 0 {
		return false
	}
	kept := uint64(1)
	if p.retention != nil {
		kept = p.retention(&p.cfg)
	}
	return end > ssz.FarFutureEpoch-ssz.Epoch(kept) || e < end+ssz.Epoch(kept)
}

// unaryOf declares a row's descriptor as one of a unary protocol.
func unaryOf[Req, Resp any](dst *reqresp.Unary[Req, Resp]) func(reqresp.Family, *Protocol) *reqresp.Spec {
	return func(f reqresp.Family, p *Protocol) *reqresp.Spec {
		*dst = reqresp.NewUnary[Req, Resp](f, p.Name, p.Version).WithLimits(p.limits())
		return dst.Spec()
	}
}

// streamOf declares a row's descriptor as one of a stream of chunks.
func streamOf[Req, Resp any](dst *reqresp.Stream[Req, Resp]) func(reqresp.Family, *Protocol) *reqresp.Spec {
	return func(f reqresp.Family, p *Protocol) *reqresp.Spec {
		*dst = reqresp.NewStream[Req, Resp](f, p.Name, p.Version).WithLimits(p.limits())
		return dst.Spec()
	}
}

// saturatingAdd returns the sum, or the largest number if that is larger.
func saturatingAdd(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return 1<<64 - 1
}

// saturatingMul returns the product, or the largest number if that is larger.
func saturatingMul(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return 1<<64 - 1
}
