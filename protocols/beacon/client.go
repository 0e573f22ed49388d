package beacon

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxConcurrentRequests is MAX_CONCURRENT_REQUESTS.
const maxConcurrentRequests = 2

// A Client calls the peers of a host, and checks their answers. A peer that is not
// connected is dialed, at the addresses that the host knows. It keeps to
// two concurrent requests per peer and protocol, MAX_CONCURRENT_REQUESTS of the
// specs; further calls wait. It is safe for concurrent use.
//
// A host with a client alone is disconnected by its peers after 20 to 50 s, as nothing on it answers their status,
// ping and metadata requests. A running [Server] does, of [NoChain] where the program holds no chain:
//
//	server := beacon.NewServer(host, network, beacon.NoChain, nil)
//	if err := server.Start(); err != nil {
//		return err
//	}
//	defer server.Stop(ctx)
//	client := server.Client()
//
// On mplex, which has no flow control, a call for many objects makes several requests, one after the other, of
// which each passes the Limiter and the Trace: no more is asked for at a time than is likely to be held
// while the caller works, by the size of what the peer sent before. What is checked is checked
// across them, and a call by range goes on after a request that the peer answered with less. ErrNotLinked between two
// answers is no violation, as the peer's chain may have been reorganized since the first.
//
// Errors are those of package reqresp: a remote *reqresp.Error for a peer's error response, see
// [IsRateLimited], and a *reqresp.Failure for everything else. The failure wraps
// reqresp.ErrViolation, and one of this package's sentinels, where the peer
// broke a rule.
type Client struct {
	engine *reqresp.Client
	family *Family
	sizes  chunkSizes
}

// ClientOptions are the optional settings of a [Client]. The zero value is ready.
type ClientOptions struct {
	// Limiter limits the rate of calls to what peers grant, in the items that deployed servers count; see
	// package limits/outbound. Nil means no limit.
	Limiter reqresp.CallLimiter
	// Trace has the hooks that are called for each request. Nil means none.
	Trace *reqresp.Trace
}

// NewClient returns a client of h's peers on the family's network, for a host on which something else answers peers;
// see [Client]. Other programs take [Server.Client]. Options may be nil.
func NewClient(h reqresp.Host, family *Family, opts *ClientOptions) *Client {
	var o ClientOptions
	if opts != nil {
		o = *opts
	}
	return &Client{family: family, engine: reqresp.NewClient(h, &reqresp.ClientOptions{
		MaxCallsPerPeer: maxConcurrentRequests, Limiter: o.Limiter, Trace: o.Trace,
	})}
}

// versions calls a peer by the first of several versions that it supports. A peer that has been downgraded
// may refuse the one that it was known to support; it is asked once more then, as the engine has forgotten that one.
func versions[T any](call func() (T, error)) (T, error) {
	answer, err := call()
	if isRefusedLate(err) {
		return call()
	}
	return answer, err
}

// isRefusedLate reports whether a peer has refused what it was known to support, which is not found out before
// the request is sent. A peer that says so after a part of its answer means something else.
func isRefusedLate(err error) bool {
	f, ok := errors.AsType[*reqresp.Failure](err)
	return ok && errors.Is(err, reqresp.ErrUnsupported) &&
		(f.Phase == reqresp.PhaseRequest || f.Phase == reqresp.PhaseFirstByte)
}

// Status sends a peer our status and returns the peer's, by status/2 or, where
// that is not supported, status/1. Ours is sent as it is: peers disconnect a node whose
// fork digest is not the one in force, which [Server.Status] has.
func (c *Client) Status(ctx context.Context, to peer.ID, ours Status) (Status, error) {
	return versions(func() (Status, error) { return c.status(ctx, to, ours) })
}

func (c *Client) status(ctx context.Context, to peer.ID, ours Status) (Status, error) {
	v2, v1 := c.family.statusV2, c.family.statusV1
	out, err := c.engine.Open(ctx, to, v2.Spec(), v1.Spec())
	if err != nil {
		return Status{}, err
	}
	defer out.Close()
	if out.Spec() == v2.Spec() {
		theirs, err := v2.Exchange(out, &ours)
		if err != nil {
			return Status{}, err
		}
		return *theirs, nil
	}
	theirs, err := v1.Exchange(out, toV1(&ours))
	if err != nil {
		return Status{}, err
	}
	return *fromV1(theirs), nil
}

// Goodbye sends a peer the reason why it is about to be disconnected. Many peers close the connection without an
// answer, so the error is of little interest. Goodbye does not close the connection.
func (c *Client) Goodbye(ctx context.Context, to peer.ID, reason GoodbyeReason) error {
	req := ssz.Goodbye(reason)
	_, err := c.family.goodbye.Call(ctx, c.engine, to, &req)
	return err
}

// Ping sends a peer our metadata's sequence number and returns that of the
// peer's.
func (c *Client) Ping(ctx context.Context, to peer.ID, seq uint64) (uint64, error) {
	req := ssz.Ping(seq)
	resp, err := c.family.ping.Call(ctx, c.engine, to, &req)
	if err != nil {
		return 0, err
	}
	return uint64(*resp), nil
}

// MetaData asks for a peer's metadata, by metadata/3 or, where that is not supported,
// metadata/2, which leaves CustodyGroupCount zero, or metadata/1, which leaves Syncnets zero too.
func (c *Client) MetaData(ctx context.Context, to peer.ID) (*ssz.MetaDataV3, error) {
	return versions(func() (*ssz.MetaDataV3, error) { return c.metaData(ctx, to) })
}

func (c *Client) metaData(ctx context.Context, to peer.ID) (*ssz.MetaDataV3, error) {
	v3, v2, v1 := c.family.metaDataV3, c.family.metaDataV2, c.family.metaDataV1
	out, err := c.engine.Open(ctx, to, v3.Spec(), v2.Spec(), v1.Spec())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	switch out.Spec() {
	case v3.Spec():
		return v3.Exchange(out, &struct{}{})
	case v2.Spec():
		md, err := v2.Exchange(out, &struct{}{})
		if err != nil {
			return nil, err
		}
		return &ssz.MetaDataV3{SeqNumber: md.SeqNumber, Attnets: md.Attnets, Syncnets: md.Syncnets}, nil
	}
	md, err := v1.Exchange(out, &struct{}{})
	if err != nil {
		return nil, err
	}
	return &ssz.MetaDataV3{SeqNumber: md.SeqNumber, Attnets: md.Attnets}, nil
}

// Family returns the client's protocols.
func (c *Client) Family() *Family { return c.family }
