package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A Peer is one that a call asks.
type Peer struct {
	// ID is the peer's, which Host is connected to, and Status what it said in the handshake.
	ID     peer.ID
	Status beacon.Status
	Host   host.Host
	Server *beacon.Server

	request *Request
	row     *beacon.Protocol
}

func (p *Peer) client() *beacon.Client { return p.Server.Client() }

// Call asks the peer for what a request, which is checked, is for. It prints the objects to w as they arrive. It calls
// note with what there is to say beside them.
func (p *Peer) Call(ctx context.Context, r *Request, w io.Writer, note func(format string, args ...any)) error {
	p.request, p.row = r, r.row(p.Server.Family())
	n := 0
	for o, err := range methods[r.Method].ask(ctx, p, r) {
		if errors.Is(err, errNoAnswer) {
			note("%v", err)
			return nil
		}
		if err == nil {
			err = r.print(w, o)
		}
		if err != nil {
			return err
		}
		n++
	}
	roots := len(r.Roots)
	switch {
	case n < roots && strings.HasPrefix(r.Method, "beacon_blocks"):
		return fmt.Errorf("the peer has %d of the %d blocks asked for", n, roots)
	case n == 0 && r.SSZ && r.Out == "":
		return errors.New("the peer has none of what was asked for")
	case n == 0:
		note("the peer has none of what was asked for")
	}
	return nil
}

// print prints an object as JSON on one line, or as SSZ.
func (r *Request) print(w io.Writer, o object) error {
	switch {
	case r.Out != "":
		if err := os.MkdirAll(r.Out, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(r.Out, o.name+".ssz"), o.ssz, 0o644)
	case r.SSZ:
		_, err := w.Write(o.ssz)
		return err
	}
	v, err := o.json()
	if err != nil {
		return err
	}
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}
