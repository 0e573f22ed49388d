package beacon

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// unaryTimeouts leave a server the time to withhold an answer: the specs forbid to close a stream for a
// rate limit. A peer may have some requests waiting, of which each takes seconds. Clients have given up
// by then, as they wait no longer than Timeouts.FirstByte.
var unaryTimeouts = reqresp.Timeouts{Total: 5 * time.Minute}

// nodeProtocols are the rows of the protocols by which nodes get to know each other, the preferred
// versions first.
func (f *Family) nodeProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "status", Version: 2, Request: "StatusV2", Response: "StatusV2",
			First: ssz.Fulu, Last: newest, timeouts: unaryTimeouts,
			declare: unaryOf(&f.statusV2),
			serve:   serveUnary(&f.statusV2, (*Server).statusV2),
		},
		{
			Name: "status", Version: 1, Request: "StatusV1", Response: "StatusV1",
			First: ssz.Phase0, Last: ssz.Electra, timeouts: unaryTimeouts,
			declare: unaryOf(&f.statusV1),
			serve:   serveUnary(&f.statusV1, (*Server).statusV1),
		},
		{
			Name: "goodbye", Version: 1, Request: "Goodbye", Response: "Goodbye",
			First: ssz.Phase0, Last: newest, timeouts: unaryTimeouts,
			declare: unaryOf(&f.goodbye),
			serve:   serveUnary(&f.goodbye, (*Server).goodbye),
		},
		{
			Name: "ping", Version: 1, Request: "Ping", Response: "Ping",
			First: ssz.Phase0, Last: newest, timeouts: unaryTimeouts,
			declare: unaryOf(&f.ping),
			serve:   serveUnary(&f.ping, (*Server).ping),
		},
		{
			Name: "metadata", Version: 3, Response: "MetaDataV3",
			First: ssz.Fulu, Last: newest, timeouts: unaryTimeouts,
			declare: unaryOf(&f.metaDataV3),
			serve:   serveUnary(&f.metaDataV3, (*Server).metaDataV3),
		},
		{
			Name: "metadata", Version: 2, Response: "MetaDataV2",
			First: ssz.Altair, Last: ssz.Electra, timeouts: unaryTimeouts,
			declare: unaryOf(&f.metaDataV2),
			serve:   serveUnary(&f.metaDataV2, (*Server).metaDataV2),
		},
		{
			Name: "metadata", Version: 1, Response: "MetaDataV1",
			First: ssz.Phase0, Last: ssz.Phase0, timeouts: unaryTimeouts,
			declare: unaryOf(&f.metaDataV1),
			serve:   serveUnary(&f.metaDataV1, (*Server).metaDataV1),
		},
	}
}

// serveUnary serves a unary protocol of a family.
func serveUnary[Req, Resp any](
	p *reqresp.Unary[Req, Resp], answer func(*Server, context.Context, peer.ID, *Req) (*Resp, error),
) func(*Server, *Protocol) reqresp.HandlerFunc {
	return func(s *Server, _ *Protocol) reqresp.HandlerFunc {
		return p.Serve(func(ctx context.Context, from peer.ID, req *Req) (*Resp, error) {
			return answer(s, ctx, from, req)
		}).Serve
	}
}

func (s *Server) statusV2(ctx context.Context, from peer.ID, theirs *Status) (*Status, error) {
	ours, err := s.exchangeStatus(ctx, from, *theirs)
	return &ours, err
}

func (s *Server) statusV1(ctx context.Context, from peer.ID, theirs *ssz.StatusV1) (*ssz.StatusV1, error) {
	ours, err := s.exchangeStatus(ctx, from, *fromV1(theirs))
	return toV1(&ours), err
}

// exchangeStatus answers every peer, also one that is disconnected then, so that
// it learns why.
func (s *Server) exchangeStatus(ctx context.Context, from peer.ID, theirs Status) (Status, error) {
	ours, err := s.statusFor(ctx, theirs)
	if err != nil {
		return Status{}, err
	}
	if err := s.checkStatus(ctx, from, ours, theirs); err != nil {
		s.spawn(func(task context.Context) {
			<-ctx.Done() // the exchange is over, its answer written
			s.disconnect(task, from, GoodbyeIrrelevantNetwork, err, readGrace)
		})
	}
	return ours, nil
}

func (s *Server) goodbye(_ context.Context, from peer.ID, req *ssz.Goodbye) (*ssz.Goodbye, error) {
	reason := GoodbyeReason(*req)
	s.log.Debug("peer said goodbye", "peer", from, "reason", reason)
	s.forget(from)
	if report := s.opts.PeerTrace.Goodbye; report != nil {
		report(from, reason)
	}
	return req, nil
}

func (s *Server) ping(_ context.Context, from peer.ID, theirs *ssz.Ping) (*ssz.Ping, error) {
	if report := s.opts.PeerTrace.Ping; report != nil {
		report(from, uint64(*theirs))
	}
	seq := ssz.Ping(s.opts.MetaData().SeqNumber)
	return &seq, nil
}

func (s *Server) metaDataV3(context.Context, peer.ID, *struct{}) (*ssz.MetaDataV3, error) {
	md := s.opts.MetaData()
	return &md, nil
}

func (s *Server) metaDataV2(context.Context, peer.ID, *struct{}) (*ssz.MetaDataV2, error) {
	md := s.opts.MetaData()
	return &ssz.MetaDataV2{SeqNumber: md.SeqNumber, Attnets: md.Attnets, Syncnets: md.Syncnets}, nil
}

func (s *Server) metaDataV1(context.Context, peer.ID, *struct{}) (*ssz.MetaDataV1, error) {
	md := s.opts.MetaData()
	return &ssz.MetaDataV1{SeqNumber: md.SeqNumber, Attnets: md.Attnets}, nil
}

// A GoodbyeReason says why a peer is disconnected. Reasons up to 3 are the consensus
// specs', those from 128 on are what deployed clients use.
type GoodbyeReason uint64

// Reasons to say goodbye.
const (
	// GoodbyeClientShutdown says that the node stops.
	GoodbyeClientShutdown GoodbyeReason = 1
	// GoodbyeIrrelevantNetwork says that the peer is of another network, fork or
	// chain.
	GoodbyeIrrelevantNetwork GoodbyeReason = 2
	// GoodbyeFault says that the peer, or this node, failed.
	GoodbyeFault GoodbyeReason = 3
	// GoodbyeUnableToVerifyNetwork says that the peer's status could not be learnt.
	GoodbyeUnableToVerifyNetwork GoodbyeReason = 128
	// GoodbyeTooManyPeers says that there is no room.
	GoodbyeTooManyPeers GoodbyeReason = 129
	// GoodbyeBadScore says that the peer behaved badly.
	GoodbyeBadScore GoodbyeReason = 250
	// GoodbyeBanned says that the peer is banned.
	GoodbyeBanned GoodbyeReason = 251
)

// String returns the reason in words, or its number where it has none.
func (r GoodbyeReason) String() string {
	switch r {
	case GoodbyeClientShutdown:
		return "client shut down"
	case GoodbyeIrrelevantNetwork:
		return "irrelevant network"
	case GoodbyeFault:
		return "fault or error"
	case GoodbyeUnableToVerifyNetwork:
		return "unable to verify network"
	case GoodbyeTooManyPeers:
		return "too many peers"
	case GoodbyeBadScore:
		return "bad score"
	case GoodbyeBanned:
		return "banned"
	}
	return fmt.Sprintf("reason %d", uint64(r))
}
