package beacontest

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/minimal"
)

// objects are zero values of the types that the protocols carry, by name and first fork.
var objects = map[string]map[ssz.Fork]ssz.Object{
	"SignedBeaconBlock": {
		ssz.Phase0: &containers.SignedBeaconBlock{}, ssz.Altair: &minimal.SignedBeaconBlockAltair{},
		ssz.Bellatrix: &minimal.SignedBeaconBlockBellatrix{}, ssz.Capella: &minimal.SignedBeaconBlockCapella{},
		ssz.Deneb: &minimal.SignedBeaconBlockDeneb{}, ssz.Electra: &minimal.SignedBeaconBlockElectra{},
		ssz.Gloas: &minimal.SignedBeaconBlockGloas{}, ssz.Heze: &minimal.SignedBeaconBlockHeze{},
	},
	"BlobSidecar": {ssz.Deneb: &containers.BlobSidecar{}},
	"DataColumnSidecar": {
		ssz.Fulu: &containers.DataColumnSidecar{}, ssz.Gloas: &containers.DataColumnSidecarGloas{},
	},
	"LightClientBootstrap": {
		ssz.Altair: &minimal.LightClientBootstrap{}, ssz.Capella: &minimal.LightClientBootstrapCapella{},
		ssz.Deneb: &minimal.LightClientBootstrapDeneb{}, ssz.Electra: &minimal.LightClientBootstrapElectra{},
		ssz.Gloas: &minimal.LightClientBootstrapGloas{},
	},
	"LightClientUpdate": {
		ssz.Altair: &minimal.LightClientUpdate{}, ssz.Capella: &minimal.LightClientUpdateCapella{},
		ssz.Deneb: &minimal.LightClientUpdateDeneb{}, ssz.Electra: &minimal.LightClientUpdateElectra{},
		ssz.Gloas: &minimal.LightClientUpdateGloas{},
	},
	"LightClientFinalityUpdate": {
		ssz.Altair: &minimal.LightClientFinalityUpdate{}, ssz.Capella: &minimal.LightClientFinalityUpdateCapella{},
		ssz.Deneb: &minimal.LightClientFinalityUpdateDeneb{}, ssz.Electra: &minimal.LightClientFinalityUpdateElectra{},
		ssz.Gloas: &minimal.LightClientFinalityUpdateGloas{},
	},
	"LightClientOptimisticUpdate": {
		ssz.Altair: &minimal.LightClientOptimisticUpdate{}, ssz.Capella: &minimal.LightClientOptimisticUpdateCapella{},
		ssz.Deneb: &minimal.LightClientOptimisticUpdateDeneb{}, ssz.Gloas: &minimal.LightClientOptimisticUpdateGloas{},
	},
	"SignedExecutionPayloadEnvelope": {ssz.Gloas: &containers.SignedExecutionPayloadEnvelope{}},
	"SignedInclusionList":            {ssz.Heze: &containers.SignedInclusionList{}},
}

// Object returns a new zero value of a type in a fork, and panics if there is none.
func Object(name string, fork ssz.Fork) ssz.Object {
	for f := int(fork); f >= 0; f-- {
		if zero, ok := objects[name][ssz.Fork(f)]; ok {
			return reflect.New(reflect.TypeOf(zero).Elem()).Interface().(ssz.Object)
		}
	}
	panic(fmt.Sprintf("beacontest: no %s in %v", name, fork))
}

// Set sets a field of an object, such as Message.Slot, to a value whose type can be converted to the
// field's.
func Set(object ssz.Object, path string, value any) {
	v := field(object, path)
	v.Set(reflect.ValueOf(value).Convert(v.Type()))
}

func field(object ssz.Object, path string) reflect.Value {
	v := reflect.ValueOf(object)
	for name := range strings.SplitSeq(path, ".") {
		v = reflect.Indirect(v).FieldByName(name)
	}
	return v
}

// Encode returns the SSZ of an object that was made here.
func Encode(object ssz.Object) []byte {
	b, err := object.MarshalSSZ()
	if err != nil {
		panic(err)
	}
	return b
}
