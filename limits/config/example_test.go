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
	_, methods, _ := strings.Cut(string(text), "[methods]")
	fmt.Fprint(os.Stdout, strings.TrimSpace(methods))
	// Output:
	// [methods.echo]
	// peer = {requests = '5/s+10', items = '128/10s+256', bytes = '2MiB/s+24MiB'}
}
