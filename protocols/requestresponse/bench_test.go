package requestresponse_test

import (
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// BenchmarkEventStyle measures small exchanges in event style, with one loop on either side,
// beside calls of the descriptor.
func BenchmarkEventStyle(b *testing.B) {
	text := Text(strings.Repeat("x", 84))
	for _, tr := range transports {
		client, server := tr.Pair(b)
		answerer := eventStyle(b, server, nil, requestresponse.Unary(version(1), requestresponse.SupportInbound))
		asker := eventStyle(b, client, nil, requestresponse.Unary(version(1), requestresponse.SupportOutbound))
		go func() {
			for event := range answerer.Events() {
				if msg, ok := event.(textMsg); ok {
					_, _ = answerer.SendResponse(msg.Request.Channel, msg.Request.Request)
				}
			}
		}()
		b.Run(tr.Name+"/events", func(b *testing.B) {
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
		b.Run(tr.Name+"/calls", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := echo.Call(b.Context(), c, server.ID(), &text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
