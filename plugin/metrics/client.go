package metrics

import "strings"

// clients are the beginnings of the agent versions of known clients, in lower case, and their
// names.
var clients = []struct{ prefix, name string }{
	{"lighthouse", "lighthouse"},
	{"prysm", "prysm"},
	{"teku", "teku"},
	{"nimbus", "nimbus"},
	{"lodestar", "lodestar"},
	{"js-libp2p", "lodestar"}, // when it tells nothing else
	{"grandine", "grandine"},
	{"erigon", "caplin"},
	{"caplin", "caplin"},
	{"reqresp", "reqresp"},
}

// ClientName returns the name of the client whose agent version, as libp2p's identify protocol
// tells it, this is: one of a fixed list, or Other.
func ClientName(agent string) string {
	agent = strings.ToLower(agent)
	for _, c := range clients {
		if strings.HasPrefix(agent, c.prefix) {
			return c.name
		}
	}
	return Other
}
