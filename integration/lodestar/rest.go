package lodestar

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

// errNotFound is the API's answer 404.
var errNotFound = errors.New("not found")

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// do sends one request and returns the body of a good answer.
func (n *Node) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.url+path, nil)
	if err != nil {
		return nil, fmt.Errorf("lodestar: %w", err)
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("lodestar: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("lodestar: %s %s: %w", method, path, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("lodestar: %s %s: %w", method, path, errNotFound)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("lodestar: %s %s: %s: %s", method, path, resp.Status, install.Tail(body))
	}
	return body, nil
}

// get asks the API and returns the data member of its answer.
func get[T any](ctx context.Context, n *Node, path string) (T, error) {
	var answer struct {
		Data T `json:"data"`
	}
	body, err := n.do(ctx, http.MethodGet, path)
	if err != nil {
		return answer.Data, err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer.Data, fmt.Errorf("lodestar: GET %s: %w", path, err)
	}
	return answer.Data, nil
}

// Root is a hash tree root.
type Root [32]byte

// UnmarshalText reads the form that the beacon API uses, 0x and 64 hex digits.
func (r *Root) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	if !ok || len(digits) != 2*len(r) {
		return fmt.Errorf("lodestar: root %q, want 0x and %d hex digits", text, 2*len(r))
	}
	_, err := hex.Decode(r[:], []byte(digits))
	return err
}

// String returns the form that the beacon API uses.
func (r Root) String() string { return fmt.Sprintf("0x%x", r[:]) }
