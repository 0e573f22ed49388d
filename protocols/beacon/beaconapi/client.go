package beaconapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The most bytes of an answer.
const (
	maxJSON     = 1 << 20
	maxBlock    = 10 << 20 // MAX_PAYLOAD_SIZE
	maxSidecars = 64 << 20 // all columns of a block with 72 blobs are a third of it
	maxState    = 1<<32 - 1
	maxMessage  = 256
)

// A Client asks one beacon node. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// New returns a client of the node at a URL, such as http://localhost:5052, which may have a path and a password. The
// HTTP client may be nil, which means http.DefaultClient. Nothing is asked. The error says what a URL has to be.
func New(base string, client *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("beaconapi: URL %q: want one such as http://localhost:5052", base)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("beaconapi: URL %q: want one such as http://localhost:5052", u.Redacted())
	}
	if client == nil {
		client = http.DefaultClient
	}
	return &Client{u, client}, nil
}

// URL returns the node's URL without its password.
func (c *Client) URL() string { return c.base.Redacted() }

// An ID names a block or a state, by words, slot or root.
type ID string

// The IDs of blocks and states that change with the chain.
const (
	HeadID      ID = "head"
	FinalizedID ID = "finalized"
	GenesisID   ID = "genesis"
)

// BySlot returns the ID of the block or state of a slot of the node's canonical chain.
func BySlot(s ssz.Slot) ID { return ID(strconv.FormatUint(uint64(s), 10)) }

// ByRoot returns the ID of the block or state with a root.
func ByRoot(r ssz.Root) ID { return ID(r.String()) }

// Content types of the API.
const (
	typeJSON  = "application/json"
	typeSSZ   = "application/octet-stream"
	typeEvent = "text/event-stream"
)

// get asks for a path below the node's URL, and returns an answer of a content type, with status 200 and a body of at
// most limit bytes. It ends, and so does reading the body, with ctx, or when the node has sent nothing for a while.
func (c *Client) get(
	ctx context.Context, contentType string, limit int64, query url.Values, path ...string,
) (http.Header, io.ReadCloser, error) {
	u := c.base.JoinPath(path...)
	u.RawQuery = query.Encode()
	w := watch(ctx, stallOf(contentType))
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		w.stop()
		return nil, nil, err
	}
	req.Header.Set("Accept", contentType)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, w.end(err)
	}
	w.timer.Stop()
	var b io.ReadCloser = &body{res.Body, w, limit}
	if res.StatusCode != http.StatusOK {
		defer b.Close()
		return nil, nil, &StatusError{res.StatusCode, message(b)}
	}
	if got, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); got != contentType {
		b.Close()
		return nil, nil, fmt.Errorf("%w: content type %q, want %s", ErrMalformed, got, contentType)
	}
	return res.Header, b, nil
}

// stallOf returns after which time without a byte a node is given up.
func stallOf(contentType string) time.Duration {
	if contentType == typeEvent {
		return eventTimeout
	}
	return answerTimeout
}

// message returns what the body of an error says.
func message(r io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(r, maxJSON)) // what there is of it
	var answer struct{ Message string }
	if json.Unmarshal(b, &answer) != nil {
		answer.Message = string(b)
	}
	return answer.Message[:min(len(answer.Message), maxMessage)]
}

// getJSON asks for JSON.
func (c *Client) getJSON(ctx context.Context, path ...string) ([]byte, error) {
	_, b, err := c.get(ctx, typeJSON, maxJSON, nil, path...)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(b)
}

// getData asks for JSON whose field data is a T.
func getData[T any](ctx context.Context, c *Client, path ...string) (*T, error) {
	b, err := c.getJSON(ctx, path...)
	if err != nil {
		return nil, err
	}
	var answer struct{ Data *T }
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if answer.Data == nil {
		return nil, fmt.Errorf("%w: no data", ErrMalformed)
	}
	return answer.Data, nil
}
