// Command protobuf prints how Go encodes objects: it reads one JSON object a line and writes, a line each, the object as
// Go's JSON encoder writes it and as its protobuf encoder does, in base64.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

func main() {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, metav1.AddMetaToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme} {
		must(add(s))
	}
	decoder := serializer.NewCodecFactory(s).UniversalDeserializer()
	encoder := protobuf.NewSerializer(s, s)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		object, _, err := decoder.Decode(lines.Bytes(), nil, nil)
		must(err)
		encoded, err := runtime.Encode(encoder, object)
		must(err)
		must(out.Encode(map[string]any{"json": object, "protobuf": encoded}))
	}
	must(lines.Err())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
