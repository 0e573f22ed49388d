// Package api has what a service tells over RPC, as the JSON that go-ethereum's rpc package
// makes of it. Package client calls for it.
//
// There are two namespaces for each service. They are called after it; those of one with the default name are
// Namespace and AdminNamespace. Calls of [Namespace] only read; it is exposed over HTTP where that is
// on. Calls of [AdminNamespace] change something; over HTTP they are exposed only if that is
// asked for, over IPC always.
//
// # What is kept
//
// Bans and scores are kept in the data directory, and so outlive the process. Limits and trust that
// were changed, and that a peer was connected or disconnected, end with the process: the node begins again with what its
// configuration says, as one of go-ethereum does. [Limit] and [Trusted] tell which of them are not
// the configuration's.
package api

// The namespaces of RPC methods.
const (
	Namespace      = "reqresp"
	AdminNamespace = Namespace + AdminSuffix
)

// AdminSuffix is what follows the name of a service in its namespace of calls that change something.
const AdminSuffix = "admin"
