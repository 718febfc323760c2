// Command internals prints what the API server's internal types look like as JSON, which is how it quotes them when it
// refuses a change: they have no tags, so their fields go by their Go names, in Go's order, and nothing is left out.
//
// The output is one JSON document: type name to fields as [printed name, name in v1, type, flag]. A type is the name of
// another one, or `s`, `i`, `f`, `b` for a text, a number, a fraction, a truth, or `=` for what prints as it does in v1;
// `*`, `[` and `{` before it make it a pointer, a list, a map. The flag is `o` where an empty value is left out.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/kubernetes/pkg/apis/batch"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/resource"
	"k8s.io/kubernetes/pkg/apis/storage"
)

var roots = [][2]any{
	{core.EventSource{}, corev1.EventSource{}},
	{core.ObjectReference{}, corev1.ObjectReference{}},
	{core.PersistentVolumeClaimSpec{}, corev1.PersistentVolumeClaimSpec{}},
	{core.PersistentVolumeSource{}, corev1.PersistentVolumeSource{}},
	{core.PodTemplateSpec{}, corev1.PodTemplateSpec{}},
	{core.VolumeNodeAffinity{}, corev1.VolumeNodeAffinity{}},
	{batch.PodFailurePolicy{}, batchv1.PodFailurePolicy{}},
	{batch.SuccessPolicy{}, batchv1.SuccessPolicy{}},
	{resource.ResourceClaimSpec{}, resourcev1.ResourceClaimSpec{}},
	{resource.ResourceClaimTemplateSpec{}, resourcev1.ResourceClaimTemplateSpec{}},
	{storage.CSINodeDriver{}, storagev1.CSINodeDriver{}},
	{storage.VolumeAttachmentSpec{}, storagev1.VolumeAttachmentSpec{}},
}

var marshaler = reflect.TypeFor[json.Marshaler]()

var types = map[string][][4]string{}

func main() {
	for _, root := range roots {
		name(reflect.TypeOf(root[0]), reflect.TypeOf(root[1]))
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(types); err != nil {
		panic(err)
	}
}

// name says how a type prints, given the one it has in v1; that is nil where v1 has it elsewhere.
func name(t, v1 reflect.Type) string {
	if t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler) {
		return "="
	}
	below := func() reflect.Type {
		if v1 == nil || v1.Kind() != t.Kind() {
			return nil
		}
		return v1.Elem()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + name(t.Elem(), below())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "*="
		}
		return "[" + name(t.Elem(), below())
	case reflect.Map:
		return "{" + name(t.Elem(), below())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Float32, reflect.Float64:
		return "f"
	case reflect.Struct:
		if _, done := types[t.Name()]; !done {
			types[t.Name()] = nil
			types[t.Name()] = fields(t, v1)
		}
		return t.Name()
	default:
		return "i"
	}
}

func fields(t, v1 reflect.Type) [][4]string {
	var out [][4]string
	for i := range t.NumField() {
		field := t.Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" || (field.PkgPath != "" && !field.Anonymous) {
			continue
		}
		if field.Anonymous && tag == "" {
			out = append(out, fields(field.Type, v1)...)
			continue
		}
		printed := field.Name
		if tag != "" {
			printed = tag
		}
		found, source := field.Type, tag
		if tag == "" {
			found, source = find(v1, field.Name)
		}
		if source == "" {
			// Version 1 keeps it a level above.
			found, source = find(reflect.TypeFor[corev1.PodSpec](), field.Name)
		}
		if source == "" {
			continue
		}
		flag := ""
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			flag = "o"
		}
		out = append(out, [4]string{printed, source, name(field.Type, found), flag})
	}
	return out
}

// find looks for a field by its Go name, and in what is inlined.
func find(t reflect.Type, name string) (reflect.Type, string) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, ""
	}
	field, ok := t.FieldByName(name)
	if !ok {
		return nil, ""
	}
	tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return field.Type, tag
}
