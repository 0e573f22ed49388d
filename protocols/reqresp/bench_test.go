package reqresp_test

import (
	"io"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// BenchmarkUnary measures small exchanges, one after the other, beside bare
// libp2p streams that carry the same bytes.
func BenchmarkUnary(b *testing.B) {
	text := Text(strings.Repeat("x", 84))
	wire, _ := textCodec{}.AppendRequest(nil, "", &text)
	for _, tr := range transports {
		client, server := tr.Pair(b)
		serve(b, server, nil, echo.Serve(echoed))
		server.SetStreamHandler("/bare", func(stream network.Stream) {
			defer stream.Close()
			req, _ := io.ReadAll(stream)
			_, _ = stream.Write(append([]byte{0}, req...))
		})
		c := reqresp.NewClient(client, nil)
		b.Run(tr.Name+"/reqresp", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := echo.Call(b.Context(), c, server.ID(), &text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tr.Name+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stream, err := client.NewStream(b.Context(), server.ID(), "/bare")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = stream.Write(wire)
				_ = stream.CloseWrite()
				if got, err := io.ReadAll(stream); err != nil || len(got) != len(wire)+1 {
					b.Fatal(len(got), err)
				}
				_ = stream.Close()
			}
		})
	}
}
