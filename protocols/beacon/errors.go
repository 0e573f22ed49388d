package beacon

import (
	"errors"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// What a peer's answer can be at fault in. All are wrapped, together with
// reqresp.ErrViolation, in the [reqresp.Failure] of a call.
var (
	// ErrUnknownDigest is a chunk whose context bytes are no fork digest of the
	// network.
	ErrUnknownDigest = errors.New("beacon: unknown fork digest")
	// ErrWrongDigest is an object with the digest of another epoch than its slot's.
	ErrWrongDigest = errors.New("beacon: fork digest is not that of the object's epoch")
	// ErrOutOfRange is an object of a slot, or an update of a period, that was not asked for.
	ErrOutOfRange = errors.New("beacon: object outside the range asked for")
	// ErrSlotOrder is an object whose slot is on the wrong side of the one before: slots ascend by
	// range, and descend by head. It is an update too whose period does not follow the one before.
	ErrSlotOrder = errors.New("beacon: slots out of order")
	// ErrIndexOrder is a sidecar whose index does not come after the one before in its slot, or leaves
	// a blob out.
	ErrIndexOrder = errors.New("beacon: indices out of order")
	// ErrNotLinked is a block that does not link to the one before it, or a sidecar of a second block in
	// one slot: the answer is not of a single chain. Between two answers over mplex, see [Client], it comes without
	// reqresp.ErrViolation.
	ErrNotLinked = errors.New("beacon: object does not link to the one before")
	// ErrUnexpectedRoot is an object of a root that was not asked for, or was
	// already answered.
	ErrUnexpectedRoot = errors.New("beacon: root was not asked for")
	// ErrUnexpectedIndex is a sidecar with an index that was not asked for or cannot be.
	ErrUnexpectedIndex = errors.New("beacon: index was not asked for")
	// ErrNotIncluded is a sidecar whose commitments are not those of the block in its header: its
	// inclusion proof is wrong.
	ErrNotIncluded = errors.New("beacon: inclusion proof of commitments is wrong")
	// ErrNotBuiltOn is an execution payload envelope by range whose payload the chain has not built on.
	ErrNotBuiltOn = errors.New("beacon: payload is not the chain's")
	// ErrRepeated is an inclusion list of a validator that had one before in the answer.
	ErrRepeated = errors.New("beacon: object was sent before")
	// ErrMalformed is a chunk that is not an SSZ encoding of its fork's type, or
	// a data column whose cells, commitments and proofs are not of one number or too many.
	ErrMalformed = errors.New("beacon: malformed object")
)

// CodeRateLimited is the code with which Lighthouse, and Grandine after it, say
// that a request came too soon. The consensus specs leave codes from 128 on to
// clients.
const CodeRateLimited reqresp.Code = 139

// IsRateLimited reports whether err says that a peer limits our rate. The consensus specs want it to delay its answer
// instead; deployed clients say one of:
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
		return s.Remote &&
			(s.ErrorCode == network.StreamRateLimited || s.ErrorCode == network.StreamResourceLimitExceeded)
	}
	e, ok := errors.AsType[*reqresp.Error](err)
	if !ok || !e.Remote {
		return false
	}
	text := strings.ToLower(strings.ReplaceAll(e.Message, "_", " "))
	return e.Code == CodeRateLimited || strings.Contains(text, "rate limit") || strings.HasPrefix(text, "wait ")
}
