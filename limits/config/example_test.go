package config_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/seed-2dd5877b/reqresp/limits/config"
)

func ExampleConfig_Format() {
	c, err := config.Parse([]byte(`
preset = "none"

[methods.echo]
peer.requests = "5/s+10"
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := c.Format()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, methods, _ := strings.Cut(string(text), "[default.peer]\n")
	fmt.Fprint(os.Stdout, methods)
	// Output:
	// # rate of requests, as N/TIME+BURST, of a peer, where a method does not say
	// # requests = '10/s+20'
	// # rate of response chunks of a peer, where a method does not say
	// # items = '128/10s+256'
	// # rate of bytes on the wire of a peer, where a method does not say
	// # bytes = '2MiB/s+24MiB'
	//
	// [methods.echo.peer]
	// requests = '5/s+10'
}
