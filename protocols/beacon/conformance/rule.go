// Package conformance holds a peer against the rules of the consensus specs' Req/Resp domain: it asks
// for things whose answers the specs prescribe, and tells of each rule what was seen.
//
// Rules are data, see [Rules]. [Run] asks one peer, whoever it is, and paces itself: it stays well
// within what deployed clients grant a peer, asks for nothing that they ban for at once, and leaves
// what they may take amiss to the end. A rule whose protocol the peer does not offer, or for which it
// holds nothing, is skipped.
//
//	for result := range conformance.Run(ctx, host, network, peerID, nil) {
//		fmt.Println(result.Rule.ID, result.Outcome, result.Saw)
//	}
package conformance

import (
	"context"
	"fmt"
)

// A Severity is how strongly the specs word a rule.
type Severity uint8

const (
	// Must is a rule of the specs' MUST or MUST NOT.
	Must Severity = iota
	// Should is one of their SHOULD or SHOULD NOT.
	Should
)

// String returns MUST or SHOULD.
func (s Severity) String() string {
	if s == Must {
		return "MUST"
	}
	return "SHOULD"
}

// A Rule is one rule of the specs, and a request that shows whether a peer keeps it.
type Rule struct {
	// ID names the rule.
	ID string
	// Method and Version are those of the protocol asked.
	Method  string
	Version int
	// Asked and Expected tell what is asked, and what has to be seen, in a few words.
	Asked, Expected string
	// Severity is the specs' own.
	Severity Severity
	// Rough marks requests that break a rule themselves. They come last, as peers may think the less
	// of whoever sends them.
	Rough bool

	try func(ctx context.Context, s *session, r *Rule) (saw string, err error)
}

// An Outcome is what became of a rule.
type Outcome uint8

const (
	// Pass is a rule that was kept.
	Pass Outcome = iota
	// Fail is a rule that was broken.
	Fail
	// Skip is a rule that could not be tried.
	Skip
)

// String returns pass, fail or skip.
func (o Outcome) String() string { return [...]string{"pass", "FAIL", "skip"}[min(o, Skip)] }

// A Result is what a peer did about a rule.
type Result struct {
	Rule    *Rule
	Outcome Outcome
	// Saw tells what was seen, or why the rule was skipped.
	Saw string
}

// skipped is the error of a rule that cannot be tried.
type skipped string

func (s skipped) Error() string { return string(s) }

// broken returns the error of a rule that was broken.
func broken(format string, args ...any) error { return fmt.Errorf(format, args...) }
