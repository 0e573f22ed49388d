package beacon

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// unaryTimeouts leave a server the time to withhold an answer: the specs forbid to close a stream for a
// rate limit. A peer may have some requests waiting, of which each takes seconds. Clients have given up
// by then, as they wait no longer than Timeouts.FirstByte.
var unaryTimeouts = reqresp.Timeouts{Total: 5 * time.Minute}

// nodeProtocols are the rows of the protocols by which nodes get to know each other, those that are
// preferred first.
func (f *Family) nodeProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "status", Version: 2, Request: "StatusV2", Response: "StatusV2",
			First: ssz.Fulu, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.statusV2),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.statusV2.Serve(s.statusV2).Handler },
		},
		{
			Name: "status", Version: 1, Request: "StatusV1", Response: "StatusV1",
			First: ssz.Phase0, Last: ssz.Electra, timeouts: unaryTimeouts,
			declare: unary(&f.statusV1),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.statusV1.Serve(s.statusV1).Handler },
		},
		{
			Name: "goodbye", Version: 1, Request: "Goodbye", Response: "Goodbye",
			First: ssz.Phase0, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.goodbye),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.goodbye.Serve(s.goodbye).Handler },
		},
		{
			Name: "ping", Version: 1, Request: "Ping", Response: "Ping",
			First: ssz.Phase0, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.ping),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.ping.Serve(s.ping).Handler },
		},
		{
			Name: "metadata", Version: 3, Response: "MetaDataV3",
			First: ssz.Fulu, Last: newest, timeouts: unaryTimeouts,
			declare: unary(&f.metaDataV3),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.metaDataV3.Serve(s.metaDataV3).Handler },
		},
		{
			Name: "metadata", Version: 2, Response: "MetaDataV2",
			First: ssz.Altair, Last: ssz.Electra, timeouts: unaryTimeouts,
			declare: unary(&f.metaDataV2),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.metaDataV2.Serve(s.metaDataV2).Handler },
		},
		{
			Name: "metadata", Version: 1, Response: "MetaDataV1",
			First: ssz.Phase0, Last: ssz.Phase0, timeouts: unaryTimeouts,
			declare: unary(&f.metaDataV1),
			serve:   func(s *Server, _ *Protocol) reqresp.HandlerFunc { return f.metaDataV1.Serve(s.metaDataV1).Handler },
		},
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

// exchangeStatus answers every peer, also one that it is then going to leave: so
// it learns why.
func (s *Server) exchangeStatus(ctx context.Context, from peer.ID, theirs Status) (Status, error) {
	ours, err := s.statusFor(ctx, theirs)
	if err != nil {
		return Status{}, err
	}
	if err := s.judge(ctx, from, ours, theirs); err != nil {
		s.spawn(func(task context.Context) {
			<-ctx.Done() // the exchange is over, its answer written
			s.leave(task, from, GoodbyeIrrelevantNetwork, err)
		})
	}
	return ours, nil
}

func (s *Server) goodbye(_ context.Context, from peer.ID, req *ssz.Goodbye) (*ssz.Goodbye, error) {
	reason := GoodbyeReason(*req)
	s.log.Debug("peer said goodbye", "peer", from, "reason", reason)
	s.forget(from)
	s.opts.PeerTrace.goodbye(from, reason)
	return req, nil
}

func (s *Server) ping(_ context.Context, from peer.ID, theirs *ssz.Ping) (*ssz.Ping, error) {
	s.opts.PeerTrace.ping(from, uint64(*theirs))
	seq := ssz.Ping(s.opts.MetaData().SeqNumber)
	return &seq, nil
}

func (s *Server) metaDataV3(context.Context, peer.ID, *Empty) (*ssz.MetaDataV3, error) {
	md := s.opts.MetaData()
	return &md, nil
}

func (s *Server) metaDataV2(context.Context, peer.ID, *Empty) (*ssz.MetaDataV2, error) {
	md := s.opts.MetaData()
	return &ssz.MetaDataV2{SeqNumber: md.SeqNumber, Attnets: md.Attnets, Syncnets: md.Syncnets}, nil
}

func (s *Server) metaDataV1(context.Context, peer.ID, *Empty) (*ssz.MetaDataV1, error) {
	md := s.opts.MetaData()
	return &ssz.MetaDataV1{SeqNumber: md.SeqNumber, Attnets: md.Attnets}, nil
}
