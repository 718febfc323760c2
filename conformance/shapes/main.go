// Command shapes prints how Go sees every type of the Kubernetes API that a default server serves: which fields a type
// has, and which of pointer, omitempty and omitzero each carries. `encoding/json` decides by these what a stored object
// keeps and what it drops, and no published schema says so.
//
// The output is one JSON document: `kinds` maps "group/version/Kind" to a type name as OpenAPI spells it, `types` maps
// a type name to its fields as [name, flags, type]. Behind the type stands what Go calls it, where that is another name
// (`string v1.DNSPolicy`), and `@ProbeHandler` names the structs that a field is inlined from, both as errors of decoding
// spell them. `wire` maps a type name to the protobuf number of each of these fields, as
// the release's `generated.proto` files have them. JSON inlines some structs that are messages of their own in protobuf:
// their fields' numbers are a path, `2.1`. A `w` follows the number of a list that is wrapped in a message; the Go name
// follows after a colon where it is not the wire name in capitals. All is empty where protobuf does not carry the field.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// Types with a wire form of their own, and the name the server's table knows them by.
var special = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):                            "Quantity",
	reflect.TypeOf(intstr.IntOrString{}):                           "IntOrString",
	reflect.TypeOf(metav1.Time{}):                                  "Time",
	reflect.TypeOf(metav1.MicroTime{}):                             "MicroTime",
	reflect.TypeOf(metav1.Duration{}):                              "Duration",
	reflect.TypeOf(metav1.FieldsV1{}):                              "Any",
	reflect.TypeOf(runtime.RawExtension{}):                         "Any",
	reflect.TypeOf(apiextensionsv1.JSON{}):                         "Any",
	reflect.TypeOf(apiextensionsv1.JSONSchemaPropsOrArray{}):       "SchemaOr",
	reflect.TypeOf(apiextensionsv1.JSONSchemaPropsOrBool{}):        "SchemaOr",
	reflect.TypeOf(apiextensionsv1.JSONSchemaPropsOrStringArray{}): "SchemaOr",
}

type output struct {
	Kinds map[string]string      `json:"kinds"`
	Types map[string][][3]string `json:"types"`
	Wire  map[string][]string    `json:"wire"`
}

var out = output{Kinds: map[string]string{}, Types: map[string][][3]string{}, Wire: map[string][]string{}}

func main() {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, metav1.AddMetaToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	for gvk, t := range s.AllKnownTypes() {
		stable := !strings.Contains(gvk.Version, "alpha") && !strings.Contains(gvk.Version, "beta")
		if !stable || gvk.Version == "__internal" || t.Kind() != reflect.Struct {
			continue
		}
		key := gvk.GroupVersion().String() + "/" + gvk.Kind
		out.Kinds[key] = name(t)
		visit(t)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}

// name spells a Go type as the OpenAPI documents do: k8s.io/api/apps/v1.Deployment is io.k8s.api.apps.v1.Deployment.
func name(t reflect.Type) string {
	host, rest, _ := strings.Cut(t.PkgPath(), "/")
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "." + strings.ReplaceAll(rest, "/", ".") + "." + t.Name()
}

func visit(t reflect.Type) {
	key := name(t)
	if _, seen := out.Types[key]; seen {
		return
	}
	out.Types[key] = [][3]string{}
	out.Types[key], out.Wire[key] = fields(t, "", "")
}

// number returns a field's protobuf number behind the numbers of the messages around it.
func number(field reflect.StructField, prefix string) string {
	for _, part := range strings.Split(field.Tag.Get("protobuf"), ",") {
		if _, err := strconv.Atoi(part); err == nil {
			return prefix + part
		}
	}
	return ""
}

type message interface{ ProtoMessage() }

func isWrapped(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && reflect.PointerTo(t).Implements(reflect.TypeFor[message]())
}

// fields lists the fields of a struct; prefix is the protobuf number of the message around them, inside the structs that
// they are inlined from.
func fields(t reflect.Type, prefix, inside string) ([][3]string, []string) {
	list, wire := [][3]string{}, []string{}
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		if tag == "-" || !field.IsExported() {
			continue
		}
		parts := strings.Split(tag, ",")
		kind := field.Type
		if field.Anonymous && parts[0] == "" {
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			around := number(field, prefix)
			inlined, numbers := fields(kind, around+".", strings.TrimPrefix(inside+"."+field.Name, "."))
			if around == "" {
				numbers = make([]string, len(inlined))
			}
			list, wire = append(list, inlined...), append(wire, numbers...)
			continue
		}
		flags := ""
		if kind.Kind() == reflect.Pointer {
			flags += "p"
			kind = kind.Elem()
		}
		for _, option := range parts[1:] {
			switch option {
			case "omitempty":
				flags += "o"
			case "omitzero":
				flags += "z"
			}
		}
		name := parts[0]
		if name == "" {
			name = field.Name
		}
		shape := expression(kind)
		if spelled, known := spelling(kind); known {
			shape += " " + spelled
		}
		if inside != "" {
			shape += " @" + inside
		}
		list = append(list, [3]string{name, flags, shape})
		at := number(field, prefix)
		if at != "" && isWrapped(kind) {
			at += "w"
		}
		if at != "" && field.Name != strings.ToUpper(name[:1])+name[1:] {
			at += ":" + field.Name
		}
		wire = append(wire, at)
	}
	return list, wire
}

func expression(t reflect.Type) string {
	if word, ok := special[t]; ok {
		return word
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expression(t.Elem())
	case reflect.Struct:
		visit(t)
		return "&" + name(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + expression(t.Elem())
	case reflect.Map:
		return "{}" + expression(t.Elem())
	case reflect.Interface:
		return "Any"
	default:
		return t.Kind().String()
	}
}

// spelling returns a type as Go's errors spell it, and whether its shape does not say that already.
func spelling(t reflect.Type) (string, bool) {
	if _, ok := special[t]; ok {
		return t.String(), false
	}
	switch t.Kind() {
	case reflect.Pointer:
		return spelling(t.Elem())
	case reflect.Struct, reflect.Interface:
		return t.String(), false
	case reflect.Slice, reflect.Map:
		_, named := spelling(t.Elem())
		return t.String(), named || t.Name() != ""
	default:
		return t.String(), t.PkgPath() != ""
	}
}
