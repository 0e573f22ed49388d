package limits_test

import "github.com/seed-2dd5877b/reqresp/protocols/reqresp"

// newSpec returns a protocol of which a limiter sees the name only.
func newSpec(name string) *reqresp.Spec {
	return reqresp.NewStream[int, int](reqresp.Family{Prefix: "/test", Codec: noCodec{}}, name, 1).Spec()
}

type noCodec struct{ reqresp.Codec }

func (noCodec) Name() string { return "" }
