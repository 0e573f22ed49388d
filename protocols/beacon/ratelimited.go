package beacon

import (
	"errors"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// CodeRateLimited is the code with which Lighthouse, and Grandine after it, say
// that a request came too soon. The consensus specs leave codes from 128 on to
// clients.
const CodeRateLimited reqresp.Code = 139

// IsRateLimited reports whether err is a peer's way to say that it was asked for too
// much. The consensus specs want it to delay its answer instead; deployed
// clients say one of:
//
//   - code 139 with any text (Lighthouse, Grandine)
//   - code 1 and "rate limited" (Prysm) or "Peer has been rate limited" (Teku)
//   - code 2 and "REQUEST_ERROR_RATE_LIMITED" (Lodestar)
//   - any code and a text that begins "Wait " (older Lighthouse)
//   - a stream reset with libp2p's code for a rate limit, or for a resource limit,
//     which is how this module's own server refuses what it cannot even queue
//
// Such an answer is no fault of the peer's; ask it again later.
func IsRateLimited(err error) bool {
	if s, ok := errors.AsType[*network.StreamError](err); ok {
		return s.Remote && (s.ErrorCode == network.StreamRateLimited || s.ErrorCode == network.StreamResourceLimitExceeded)
	}
	e, ok := errors.AsType[*reqresp.Error](err)
	if !ok || !e.Remote {
		return false
	}
	text := strings.ToLower(strings.ReplaceAll(e.Message, "_", " "))
	return e.Code == CodeRateLimited || strings.Contains(text, "rate limit") || strings.HasPrefix(text, "wait ")
}
