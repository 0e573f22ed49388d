package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An object is what a peer has answered.
type object struct {
	name string // of its file
	ssz  []byte
	json func() (any, error)
}

// each makes objects of what an iterator has.
func each[T any](all iter.Seq2[*T, error], of func(*T) object) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		for v, err := range all {
			var o object
			if err == nil {
				o = of(v)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func one(get func() (object, error)) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) { yield(get()) }
}

func (p *Peer) latest(
	ctx context.Context, get func(*beacon.Client, context.Context, peer.ID) (*beacon.LightClientUpdate, error),
) iter.Seq2[object, error] {
	return one(func() (object, error) {
		u, err := get(p.client(), ctx, p.ID)
		if err != nil {
			return object{}, err
		}
		return p.update(u), nil
	})
}

// chunk is an object of a block, in the manner of the beacon API.
func (p *Peer) chunk(c beacon.Chunk, name string) object {
	return object{name, c.SSZ, func() (any, error) {
		data, err := p.row.ResponseType(c.Fork).Shape().AppendJSON(nil, c.SSZ)
		return struct {
			Version    string          `json:"version"`
			ForkDigest ssz.ForkDigest  `json:"fork_digest"`
			Size       int             `json:"size,string"`
			Data       json.RawMessage `json:"data"`
		}{c.Fork.String(), c.Digest, len(c.SSZ), data}, err
	}}
}

func (p *Peer) blob(b *beacon.BlobSidecar) object {
	return p.chunk(b.Chunk, fmt.Sprintf("%d-%d", b.Slot, b.Index))
}

func (p *Peer) column(d *beacon.DataColumnSidecar) object {
	return p.chunk(d.Chunk, fmt.Sprintf("%d-%d", d.Slot, d.Index))
}

func (p *Peer) envelope(e *beacon.ExecutionPayloadEnvelope) object {
	return p.chunk(e.Chunk, fmt.Sprint(e.Slot))
}

func (p *Peer) update(u *beacon.LightClientUpdate) object {
	return p.chunk(u.Chunk, fmt.Sprint(u.AttestedSlot))
}

func (p *Peer) list(l *beacon.InclusionList) object {
	return p.chunk(l.Chunk, fmt.Sprintf("%d-%d", l.Slot, l.ValidatorIndex))
}

// A Block is the JSON of a block.
type Block struct {
	Slot       ssz.Slot       `json:"slot,string"`
	Root       ssz.Root       `json:"root"`
	ParentRoot ssz.Root       `json:"parent_root"`
	Fork       string         `json:"fork"`
	ForkDigest ssz.ForkDigest `json:"fork_digest"`
	Size       int            `json:"size,string"`
	Signature  string         `json:"signature"` // what is known of it
	SSZ        string         `json:"ssz"`
}

// BlockOf returns the JSON of a block.
func BlockOf(b *beacon.Block) Block {
	return Block{
		b.Slot, b.Root, b.ParentRoot, b.Fork.String(), b.Digest, len(b.SSZ), "unchecked", fmt.Sprintf("%#x", b.SSZ),
	}
}

func (p *Peer) block(b *beacon.Block) object {
	return object{fmt.Sprint(b.Slot), b.SSZ, func() (any, error) { return BlockOf(b), nil }}
}

// message is an object of a node, whose JSON is that of the beacon API.
func message(m ssz.Message, err error, json any) iter.Seq2[object, error] {
	return one(func() (object, error) {
		if err != nil {
			return object{}, err
		}
		encoded, err := m.MarshalSSZ()
		return object{"", encoded, func() (any, error) { return json, nil }}, err
	})
}

// Status is the JSON of a status.
type Status struct {
	ForkDigest            ssz.ForkDigest `json:"fork_digest"`
	FinalizedRoot         ssz.Root       `json:"finalized_root"`
	FinalizedEpoch        ssz.Epoch      `json:"finalized_epoch,string"`
	HeadRoot              ssz.Root       `json:"head_root"`
	HeadSlot              ssz.Slot       `json:"head_slot,string"`
	EarliestAvailableSlot ssz.Slot       `json:"earliest_available_slot,string"`
}

// status is what the handshake has brought.
func status(_ context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
	return message(&p.Status, nil, Status(p.Status))
}

func ping(ctx context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
	seq, err := p.client().Ping(ctx, p.ID, 0)
	return message((*ssz.Ping)(&seq), err, struct {
		SeqNumber uint64 `json:"seq_number,string"`
	}{seq})
}

func metadata(ctx context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
	md, err := p.client().MetaData(ctx, p.ID)
	if err != nil {
		return message(nil, err, nil)
	}
	return message(md, nil, struct {
		SeqNumber         uint64 `json:"seq_number,string"`
		Attnets           string `json:"attnets"`
		Syncnets          string `json:"syncnets"`
		CustodyGroupCount uint64 `json:"custody_group_count,string"`
	}{md.SeqNumber, fmt.Sprintf("%#x", md.Attnets), fmt.Sprintf("%#x", md.Syncnets), md.CustodyGroupCount})
}

var errNoAnswer = errors.New("the peer hung up without an answer, as many do")

// goodbye is the peer's reason in return, if it has one.
func goodbye(ctx context.Context, p *Peer, _ *Request) iter.Seq2[object, error] {
	answer, err := p.sayGoodbye(ctx, beacon.GoodbyeClientShutdown)
	failed, ok := errors.AsType[*reqresp.Failure](err)
	if ok && failed.Phase >= reqresp.PhaseFirstByte && ctx.Err() == nil {
		err = errNoAnswer
	}
	return message(answer, err, struct {
		Reason uint64 `json:"reason,string"`
	}{uint64(*answer)})
}

// sayGoodbye says goodbye and waits for the peer's. Beacon's client does not wait.
func (p *Peer) sayGoodbye(ctx context.Context, reason beacon.GoodbyeReason) (*ssz.Goodbye, error) {
	answer := new(ssz.Goodbye)
	out, err := reqresp.NewClient(p.Host, nil).Open(ctx, p.ID, p.row.Spec())
	if err != nil {
		return answer, err
	}
	defer out.Close()
	if err := out.Send(new(ssz.Goodbye(reason))); err != nil {
		return answer, err
	}
	return answer, out.Receive(answer)
}
