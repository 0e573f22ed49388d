package reqresp_test

import (
	"io"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// BenchmarkEventStyle measures small exchanges in event style, with one loop on either side,
// beside calls of the descriptor.
func BenchmarkEventStyle(b *testing.B) {
	text := Text(strings.Repeat("x", 84))
	for _, tr := range transports {
		client, server := tr.pair(b)
		answerer := eventStyle(b, server, nil, requestresponse.Unary(version(1), requestresponse.SupportInbound))
		asker := eventStyle(b, client, nil, requestresponse.Unary(version(1), requestresponse.SupportOutbound))
		go func() {
			for event := range answerer.Events() {
				if msg, ok := event.(textMsg); ok {
					_, _ = answerer.SendResponse(msg.Request.Channel, msg.Request.Request)
				}
			}
		}()
		b.Run(tr.name+"/events", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := asker.SendRequest(b.Context(), server.ID(), text); err != nil {
					b.Fatal(err)
				}
				if msg, ok := (<-asker.Events()).(textMsg); !ok || msg.Response.Response != text {
					b.Fatal(msg)
				}
			}
		})
		serve(b, server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(client, nil)
		b.Run(tr.name+"/calls", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := echo.Call(b.Context(), c, server.ID(), &text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUnary measures small exchanges, one after the other, beside bare
// libp2p streams that carry the same bytes.
func BenchmarkUnary(b *testing.B) {
	text := Text(strings.Repeat("x", 84))
	wire, _ := textCodec{}.AppendRequest(nil, "", &text)
	for _, tr := range transports {
		client, server := tr.pair(b)
		serve(b, server, nil, echo.Serve(echoed))
		server.SetStreamHandler("/bare", func(stream network.Stream) {
			defer stream.Close()
			req, _ := io.ReadAll(stream)
			_, _ = stream.Write(append([]byte{0}, req...))
		})
		c := reqresp.NewClient(client, nil)
		b.Run(tr.name+"/reqresp", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := echo.Call(b.Context(), c, server.ID(), &text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tr.name+"/bare", func(b *testing.B) {
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
