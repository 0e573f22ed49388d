package requestresponse_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// A question is a request of one of the protocols of the sum family: a word of the
// protocol "word", or a number of the protocol "number".
type question interface{ isQuestion() }

type (
	word   string
	number uint8
)

func (word) isQuestion()   {}
func (number) isQuestion() {}

const (
	wordID   protocol.ID = "/sum/word/1"
	numberID protocol.ID = "/sum/number/1"
)

// sumCodec lays out of a sum type what belongs to the protocol.
type sumCodec struct{}

func (sumCodec) Name() string { return "" }

func (sumCodec) AppendRequest(dst []byte, id protocol.ID, msg any) ([]byte, error) {
	switch q := (*msg.(*question)).(type) {
	case word:
		if id == wordID {
			return append(dst, q...), nil
		}
	case number:
		if id == numberID {
			return append(dst, byte(q)), nil
		}
	}
	return nil, fmt.Errorf("%T does not belong to %s", *msg.(*question), id)
}

func (sumCodec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, msg any) error {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)))
	if err != nil {
		return err
	}
	switch {
	case id == wordID:
		*msg.(*question) = word(b)
	case len(b) == 1:
		*msg.(*question) = number(b[0])
	default:
		return fmt.Errorf("%d bytes are no number", len(b))
	}
	return nil
}

func (c sumCodec) AppendResponse(dst []byte, id protocol.ID, msg any) ([]byte, error) {
	return c.AppendRequest(dst, id, msg)
}

func (c sumCodec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, msg any) error {
	return c.ReadRequest(r, id, limit, msg)
}

func TestSumTypeOverAFamily(t *testing.T) {
	family := reqresp.Family{Prefix: "/sum", Codec: sumCodec{}}
	words := reqresp.NewUnary[question, question](family, "word", 1)
	numbers := reqresp.NewUnary[question, question](family, "number", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		asker := requestresponse.New(s.Client, nil, requestresponse.Unary(words, requestresponse.SupportFull),
			requestresponse.Unary(numbers, requestresponse.SupportOutbound))
		answerer := requestresponse.New(s.Server, nil, requestresponse.Unary(words, requestresponse.SupportFull),
			requestresponse.Unary(numbers, requestresponse.SupportInbound))
		for _, rr := range []*requestresponse.RequestResponse[question, question]{asker, answerer} {
			if err := rr.Start(); err != nil {
				t.Fatal(err)
			}
			defer rr.Stop(t.Context())
		}
		s.Connect(t)
		go func() {
			for event := range answerer.Events() {
				if m, ok := event.(requestresponse.Message[question, question]); ok {
					_, _ = answerer.SendResponse(m.Request.Channel, m.Request.Request)
				}
			}
		}()
		for _, tt := range []struct {
			ask    question
			choose []protocol.ID
			used   protocol.ID
		}{
			{word("hello"), nil, wordID}, // the preferred one
			{number(7), []protocol.ID{numberID}, numberID},
			{number(7), nil, ""}, // does not belong to the preferred one
		} {
			id, err := asker.SendRequestWith(t.Context(), s.Server.ID(), tt.ask, reqresp.CallOptions{Protocols: tt.choose})
			if err != nil {
				t.Fatal(err)
			}
			switch event := (<-asker.Events()).(type) {
			case requestresponse.Message[question, question]:
				if event.Response.ID != id || event.Response.Response != tt.ask || event.Protocol != tt.used {
					t.Errorf("asked %v by %v, got %v by %s", tt.ask, tt.choose, event.Response, event.Protocol)
				}
			case requestresponse.OutboundFailure:
				if event.ID != id || event.Reason != reqresp.ReasonIO || tt.used != "" {
					t.Errorf("asked %v by %v: %v, %v", tt.ask, tt.choose, event.Reason, event.Err)
				}
			}
		}
	})
}
