package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The answers' JSON, as the beacon API spells it.
type (
	statusJSON struct {
		ForkDigest            ssz.ForkDigest `json:"fork_digest"`
		FinalizedRoot         ssz.Root       `json:"finalized_root"`
		FinalizedEpoch        ssz.Epoch      `json:"finalized_epoch,string"`
		HeadRoot              ssz.Root       `json:"head_root"`
		HeadSlot              ssz.Slot       `json:"head_slot,string"`
		EarliestAvailableSlot ssz.Slot       `json:"earliest_available_slot,string"`
	}
	pingJSON struct {
		SeqNumber uint64 `json:"seq_number,string"`
	}
	metadataJSON struct {
		SeqNumber         uint64 `json:"seq_number,string"`
		Attnets           string `json:"attnets"`
		Syncnets          string `json:"syncnets"`
		CustodyGroupCount uint64 `json:"custody_group_count,string"`
	}
	goodbyeJSON struct {
		Reason uint64 `json:"reason,string"`
	}
)

// print prints a message, as SSZ or as its JSON.
func (c *caller) print(message ssz.Message, json any) error {
	if !c.cmd.Bool("ssz") {
		return c.app.stdout.printJSON(json)
	}
	encoded, err := message.MarshalSSZ()
	if err != nil {
		return err
	}
	_, err = c.app.stdout.Write(encoded)
	return err
}

// status prints what the handshake has brought.
func (c *caller) status(context.Context) error {
	return c.print(&c.theirs, statusJSON(c.theirs))
}

func (c *caller) ping(ctx context.Context) error {
	seq, err := c.host.Server().Client().Ping(ctx, c.to, 0)
	if err != nil {
		return err
	}
	return c.print((*ssz.Ping)(&seq), pingJSON{seq})
}

func (c *caller) metadata(ctx context.Context) error {
	md, err := c.host.Server().Client().MetaData(ctx, c.to)
	if err != nil {
		return err
	}
	return c.print(md, metadataJSON{
		SeqNumber:         md.SeqNumber,
		Attnets:           fmt.Sprintf("%#x", md.Attnets),
		Syncnets:          fmt.Sprintf("%#x", md.Syncnets),
		CustodyGroupCount: md.CustodyGroupCount,
	})
}

// goodbye prints the peer's reason in return, if it has one.
func (c *caller) goodbye(ctx context.Context) error {
	answer, err := c.sayGoodbye(ctx, beacon.GoodbyeClientShutdown)
	if failure, ok := errors.AsType[*reqresp.Failure](err); ok && failure.Phase >= reqresp.PhaseFirstByte && ctx.Err() == nil {
		c.app.note("the peer hung up without an answer, as many do")
		return nil
	}
	if err != nil {
		return err
	}
	return c.print(answer, goodbyeJSON{uint64(*answer)})
}

func (c *caller) sayGoodbye(ctx context.Context, reason beacon.GoodbyeReason) (*ssz.Goodbye, error) {
	row, _ := c.host.Server().Family().Protocol("goodbye", 1)
	out, err := reqresp.NewClient(c.host.Host(), nil).Open(ctx, c.to, row.Spec())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := out.Send(new(ssz.Goodbye(reason))); err != nil {
		return nil, err
	}
	answer := new(ssz.Goodbye)
	return answer, out.Receive(answer)
}
