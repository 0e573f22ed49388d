package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// objectJSON is an object that is no block, in the manner of the beacon API.
type objectJSON struct {
	Version    string          `json:"version"`
	ForkDigest ssz.ForkDigest  `json:"fork_digest"`
	Size       int             `json:"size,string"`
	Data       json.RawMessage `json:"data"`
}

func (c *caller) blobsByRange(ctx context.Context) error {
	start, count := c.slots()
	return printObjects(c, "blob_sidecars_by_range", c.client().BlobSidecarsByRange(ctx, c.to, start, count), ofBlob)
}

func (c *caller) blobsByRoot(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	var ids []ssz.BlobIdentifier
	for _, root := range roots {
		for _, index := range c.cmd.Uint64Slice("index") {
			ids = append(ids, ssz.BlobIdentifier{BlockRoot: root, Index: index})
		}
	}
	return printObjects(c, "blob_sidecars_by_root", c.client().BlobSidecarsByRoot(ctx, c.to, ids), ofBlob)
}

func ofBlob(b *beacon.BlobSidecar) (beacon.Chunk, string) {
	return b.Chunk, fmt.Sprintf("%d-%d", b.Slot, b.Index)
}

func (c *caller) columnsByRange(ctx context.Context) error {
	start, count := c.slots()
	columns := c.client().DataColumnSidecarsByRange(ctx, c.to, start, count, c.cmd.Uint64Slice("index"))
	return printObjects(c, "data_column_sidecars_by_range", columns, ofColumn)
}

func (c *caller) columnsByRoot(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	var ids []ssz.DataColumnsByRootIdentifier
	for _, root := range roots {
		ids = append(ids, ssz.DataColumnsByRootIdentifier{BlockRoot: root, Columns: c.cmd.Uint64Slice("index")})
	}
	return printObjects(c, "data_column_sidecars_by_root", c.client().DataColumnSidecarsByRoot(ctx, c.to, ids), ofColumn)
}

func ofColumn(d *beacon.DataColumnSidecar) (beacon.Chunk, string) {
	return d.Chunk, fmt.Sprintf("%d-%d", d.Slot, d.Index)
}

func (c *caller) bootstrap(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	b, err := c.client().LightClientBootstrap(ctx, c.to, roots[0])
	if err != nil {
		return err
	}
	return c.printObject("light_client_bootstrap", b.Chunk, fmt.Sprint(b.Slot))
}

func (c *caller) updatesByRange(ctx context.Context) error {
	updates := c.client().LightClientUpdatesByRange(ctx, c.to, c.cmd.Uint64("start-period"), c.cmd.Uint64("count"))
	return printObjects(c, "light_client_updates_by_range", updates, func(u *beacon.LightClientUpdate) (beacon.Chunk, string) {
		return u.Chunk, fmt.Sprint(u.AttestedSlot)
	})
}

func (c *caller) finalityUpdate(ctx context.Context) error {
	u, err := c.client().LightClientFinalityUpdate(ctx, c.to)
	if err != nil {
		return err
	}
	return c.printObject("light_client_finality_update", u.Chunk, fmt.Sprint(u.AttestedSlot))
}

func (c *caller) optimisticUpdate(ctx context.Context) error {
	u, err := c.client().LightClientOptimisticUpdate(ctx, c.to)
	if err != nil {
		return err
	}
	return c.printObject("light_client_optimistic_update", u.Chunk, fmt.Sprint(u.AttestedSlot))
}

func (c *caller) envelopesByRange(ctx context.Context) error {
	start, count := c.slots()
	envelopes := c.client().ExecutionPayloadEnvelopesByRange(ctx, c.to, start, count)
	return printObjects(c, "execution_payload_envelopes_by_range", envelopes, ofEnvelope)
}

func (c *caller) envelopesByRoot(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	envelopes := c.client().ExecutionPayloadEnvelopesByRoot(ctx, c.to, roots)
	return printObjects(c, "execution_payload_envelopes_by_root", envelopes, ofEnvelope)
}

func ofEnvelope(e *beacon.ExecutionPayloadEnvelope) (beacon.Chunk, string) {
	return e.Chunk, fmt.Sprint(e.Slot)
}

func (c *caller) inclusionLists(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	var members [2]byte
	for _, index := range c.cmd.Uint64Slice("index") {
		if index >= 16 {
			return usagef(c.cmd, "--index %d: a committee has the members 0 to 15", index)
		}
		members[index/8] |= 1 << (index % 8)
	}
	slot, _ := c.slots()
	lists := c.client().InclusionListsByIndices(ctx, c.to, slot, roots[0], members)
	return printObjects(c, "inclusion_lists_by_indices", lists, func(l *beacon.InclusionList) (beacon.Chunk, string) {
		return l.Chunk, fmt.Sprintf("%d-%d", l.Slot, l.ValidatorIndex)
	})
}

func (c *caller) client() *beacon.Client { return c.host.Server().Client() }

func (c *caller) slots() (start ssz.Slot, count uint64) {
	return ssz.Slot(c.cmd.Uint64("start-slot")), c.cmd.Uint64("count")
}

// printObjects prints objects as they arrive. Each has a name, for its file.
func printObjects[T any](c *caller, method string, objects iter.Seq2[*T, error], of func(*T) (beacon.Chunk, string)) error {
	n := 0
	for object, err := range objects {
		if err != nil {
			return err
		}
		n++
		chunk, name := of(object)
		if err := c.printObject(method, chunk, name); err != nil {
			return err
		}
	}
	if n == 0 {
		c.app.note("the peer has none of what was asked for")
	}
	return nil
}

func (c *caller) printObject(method string, chunk beacon.Chunk, name string) error {
	if dir := c.cmd.String("out"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".ssz"), chunk.SSZ, 0o644)
	}
	if c.cmd.Bool("ssz") {
		_, err := c.app.stdout.Write(chunk.SSZ)
		return err
	}
	row, _ := c.host.Server().Family().Protocol(method, 1)
	data, err := row.ResponseType(chunk.Fork).Shape().AppendJSON(nil, chunk.SSZ)
	if err != nil {
		return err
	}
	return c.app.stdout.printJSON(objectJSON{chunk.Fork.String(), chunk.Digest, len(chunk.SSZ), data})
}
