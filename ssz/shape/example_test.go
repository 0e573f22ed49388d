package shape_test

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

func ExampleShape_Check() {
	pair := shape.Container("Pair",
		shape.Field{Name: "number", Shape: shape.Uint(2)},
		shape.Field{Name: "flag", Shape: shape.Boolean()},
	)
	fmt.Println(pair.Check([]byte{1, 2, 1}))
	fmt.Println(pair.Check([]byte{1, 2, 3}))
	// Output:
	// <nil>
	// Pair.flag: boolean is neither 0 nor 1: 3
}
