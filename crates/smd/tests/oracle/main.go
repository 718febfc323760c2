// Command oracle answers the cases of crates/smd/tests with the Go library the API server uses.
//
//	go run . CASES-DIR OPENAPI.json
//
// It reads every CASES-DIR/*/case.json and writes result.json beside it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var kind = schema.GroupVersionKind{Group: "demo.example", Version: "v1", Kind: "Demo"}

type object = map[string]interface{}

type step struct {
	Apply       object   `json:"apply"`
	Update      object   `json:"update"`
	Patch       object   `json:"patch"`
	Manager     string   `json:"manager"`
	Subresource string   `json:"subresource"`
	Force       bool     `json:"force"`
	Reset       []string `json:"reset"`
	Now         string   `json:"now"`
}

type testCase struct {
	Live  object `json:"live"`
	Steps []step `json:"steps"`
}

type answer struct {
	Error  string `json:"error,omitempty"`
	Object object `json:"object,omitempty"`
}

type same struct{}

func (same) Convert(in, out, context interface{}) error { return nil }
func (same) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (same) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (same) Default(runtime.Object) {}
func (same) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	return empty(), nil
}

func empty() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: object{}}
	u.SetGroupVersionKind(kind)
	return u
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func read(path string, into interface{}) {
	text, err := os.ReadFile(path)
	must(err)
	must(json.Unmarshal(text, into))
}

func mergePatch(target interface{}, patch interface{}) interface{} {
	fields, ok := patch.(object)
	if !ok {
		return patch
	}
	out, ok := target.(object)
	if !ok {
		out = object{}
	}
	for name, value := range fields {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = mergePatch(out[name], value)
		}
	}
	return out
}

func run(converter managedfields.TypeConverter, meta strategicpatch.LookupPatchMeta, c testCase) []answer {
	var live *unstructured.Unstructured
	if c.Live != nil {
		live = &unstructured.Unstructured{Object: c.Live}
	}
	answers := []answer{}
	for _, step := range c.Steps {
		reset := fieldpath.NewSet()
		for _, name := range step.Reset {
			reset.Insert(fieldpath.MakePathOrDie(name))
		}
		filters := map[fieldpath.APIVersion]fieldpath.Filter{
			fieldpath.APIVersion(kind.GroupVersion().String()): fieldpath.NewExcludeSetFilter(reset),
		}
		manager, err := managedfields.NewDefaultFieldManager(converter, same{}, same{}, same{}, kind, kind.GroupVersion(), step.Subresource, filters)
		must(err)
		before := empty()
		if live != nil {
			before = live.DeepCopy()
		}
		var out runtime.Object
		if step.Apply != nil {
			out, err = manager.Apply(before, &unstructured.Unstructured{Object: runtime.DeepCopyJSON(step.Apply)}, step.Manager, step.Force)
		} else if step.Patch != nil {
			var patched object
			patched, err = strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(clip(before.DeepCopy().Object).(object), clip(runtime.DeepCopyJSON(step.Patch)).(object), meta)
			if err != nil {
				answers = append(answers, answer{Error: err.Error()})
				continue
			}
			patched = withoutDirectives(patched).(object)
			out, err = manager.Update(before, &unstructured.Unstructured{Object: patched}, step.Manager)
		} else {
			patched := mergePatch(before.DeepCopy().Object, step.Update).(object)
			out, err = manager.Update(before, &unstructured.Unstructured{Object: patched}, step.Manager)
		}
		if err != nil {
			message := err.Error()
			if step.Apply == nil {
				message = "refused"
			}
			answers = append(answers, answer{Error: message})
			continue
		}
		live = out.(*unstructured.Unstructured)
		live.SetUID("u-1")
		now, err := time.Parse(time.RFC3339, step.Now)
		must(err)
		entries := live.GetManagedFields()
		for i := range entries {
			if t := entries[i].Time; t != nil && t.Year() > 2010 {
				entries[i].Time = &metav1.Time{Time: now}
			}
		}
		if len(entries) > 0 {
			live.SetManagedFields(entries)
		}
		text, err := json.Marshal(live.Object)
		must(err)
		copy := object{}
		must(json.Unmarshal(text, &copy))
		answers = append(answers, answer{Object: copy})
	}
	return answers
}

func main() {
	var document struct {
		Components struct {
			Schemas map[string]*spec.Schema `json:"schemas"`
		} `json:"components"`
	}
	read(os.Args[2], &document)
	converter, err := managedfields.NewTypeConverter(document.Components.Schemas, false)
	must(err)
	meta := strategicpatch.PatchMetaFromOpenAPIV3{SchemaList: document.Components.Schemas, Schema: document.Components.Schemas["example.Demo"]}
	cases, err := filepath.Glob(filepath.Join(os.Args[1], "*", "case.json"))
	must(err)
	for _, path := range cases {
		text, err := os.ReadFile(path)
		must(err)
		var c testCase
		var u struct {
			Live  json.RawMessage   `json:"live"`
			Steps []json.RawMessage `json:"steps"`
		}
		must(json.Unmarshal(text, &c))
		must(json.Unmarshal(text, &u))
		// Whole numbers must be int64, as a decoder of the API server makes them.
		for i, raw := range u.Steps {
			var s struct {
				Apply  json.RawMessage `json:"apply"`
				Update json.RawMessage `json:"update"`
				Patch  json.RawMessage `json:"patch"`
			}
			must(json.Unmarshal(raw, &s))
			c.Steps[i].Apply = decode(s.Apply)
			c.Steps[i].Update = decode(s.Update)
			c.Steps[i].Patch = decode(s.Patch)
		}
		c.Live = decode(u.Live)
		encoded, err := json.MarshalIndent(run(converter, meta, c), "", "  ")
		must(err)
		must(os.WriteFile(filepath.Join(filepath.Dir(path), "result.json"), append(encoded, '\n'), 0o644))
	}
	fmt.Println(len(cases), "cases answered")
}

// clip takes spare room from lists: the library appends to one while it still reads it.
func clip(value interface{}) interface{} {
	switch value := value.(type) {
	case object:
		for name := range value {
			value[name] = clip(value[name])
		}
		return value
	case []interface{}:
		for i := range value {
			value[i] = clip(value[i])
		}
		return value[:len(value):len(value)]
	}
	return value
}

// withoutDirectives drops what the library leaves in values the object did not have, as the decoder would.
func withoutDirectives(value interface{}) interface{} {
	switch value := value.(type) {
	case object:
		for name, inner := range value {
			fields, isMap := inner.(object)
			_, isDirective := fields["$patch"]
			if strings.HasPrefix(name, "$") || isMap && isDirective {
				delete(value, name)
			} else {
				value[name] = withoutDirectives(inner)
			}
		}
	case []interface{}:
		kept := []interface{}{}
		for _, item := range value {
			fields, _ := item.(object)
			if _, isDirective := fields["$patch"]; !isDirective {
				kept = append(kept, withoutDirectives(item))
			}
		}
		return kept
	}
	return value
}

func decode(raw json.RawMessage) object {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	// UnstructuredJSONScheme insists on a kind; a list wrapper gives int64 numbers for any map.
	wrapped := append([]byte(`{"apiVersion":"x/v1","kind":"X","it":`), raw...)
	wrapped = append(wrapped, '}')
	u := &unstructured.Unstructured{}
	must(u.UnmarshalJSON(wrapped))
	return u.Object["it"].(object)
}
