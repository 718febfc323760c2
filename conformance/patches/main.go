// Command patches computes patches on the client's side as kubectl and Helm do, and applies them as the API server does.
//
// Each line of standard input is a question, each line of standard output its answers:
//
//	{"openapi": {…}}                                     a document of OpenAPI v3, for the questions to come; no answer
//	{"do": "two-way", "kind": "apps/v1/Deployment", "original": {…}, "modified": {…}, "preconditions": ["kind", "metadata.name"]}
//	{"do": "three-way", …, "current": {…}, "overwrite": true, "schema": "openapi"}
//	{"do": "apply", "kind": …, "original": {…}, "patch": {…}}
//	{"do": "json-two-way", "original": {…}, "modified": {…}}
//	{"do": "json-three-way", "original": {…}, "modified": {…}, "current": {…}, "preconditions": […]}
//	{"do": "conflicts", "kind": …, "left": {…}, "right": {…}}
//	{"do": "json-conflicts", "left": …, "right": …}
//
// An answer is {"value": …} or {"error": "…"} or {"panic": "…"}. Go walks maps in an order that changes, and what it says
// may change with it: with "runs": N the question is asked N times, and the distinct answers are listed in order.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

type question struct {
	OpenAPI       json.RawMessage `json:"openapi"`
	Do            string          `json:"do"`
	Kind          string          `json:"kind"`
	Schema        string          `json:"schema"`
	Original      json.RawMessage `json:"original"`
	Modified      json.RawMessage `json:"modified"`
	Current       json.RawMessage `json:"current"`
	Patch         json.RawMessage `json:"patch"`
	Left          json.RawMessage `json:"left"`
	Right         json.RawMessage `json:"right"`
	Overwrite     bool            `json:"overwrite"`
	Preconditions []string        `json:"preconditions"`
	Runs          int             `json:"runs"`
}

type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
	Panic string          `json:"panic,omitempty"`
}

var (
	types      = runtime.NewScheme()
	components = map[string]*spec.Schema{}
	kinds      = map[string]*spec.Schema{}
)

func main() {
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme} {
		must(add(types))
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	written := bufio.NewWriter(os.Stdout)
	out := json.NewEncoder(written)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		if asked.OpenAPI != nil {
			learn(asked.OpenAPI)
			continue
		}
		must(out.Encode(map[string]any{"answers": answers(asked)}))
		must(written.Flush())
	}
	must(lines.Err())
}

// learn takes a document's components, and which of them are kinds.
func learn(document []byte) {
	var parsed spec3.OpenAPI
	must(json.Unmarshal(document, &parsed))
	if parsed.Components == nil {
		return
	}
	for name, component := range parsed.Components.Schemas {
		components[name] = component
		var gvks []map[string]string
		if component.Extensions.GetObject("x-kubernetes-group-version-kind", &gvks) != nil {
			continue
		}
		for _, gvk := range gvks {
			kinds[strings.TrimPrefix(gvk["group"]+"/"+gvk["version"]+"/"+gvk["kind"], "/")] = component
		}
	}
}

// answers asks as often as it should, and sorts out what differs.
func answers(asked question) []answer {
	seen := map[string]answer{}
	for range max(asked.Runs, 1) {
		given := ask(asked)
		text, err := json.Marshal(given)
		must(err)
		seen[string(text)] = given
	}
	var texts []string
	for text := range seen {
		texts = append(texts, text)
	}
	sort.Strings(texts)
	var out []answer
	for _, text := range texts {
		out = append(out, seen[text])
	}
	return out
}

func ask(asked question) (given answer) {
	defer func() {
		if reason := recover(); reason != nil {
			given = answer{Panic: fmt.Sprint(reason)}
		}
	}()
	value, err := compute(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	// Sorted, and numbers as the API server reads them.
	var parsed any
	must(utiljson.Unmarshal(value, &parsed))
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(parsed))
	return answer{Value: bytes.TrimSpace(text.Bytes())}
}

func compute(asked question) ([]byte, error) {
	var preconditions []mergepatch.PreconditionFunc
	for _, name := range asked.Preconditions {
		if key, ok := strings.CutPrefix(name, "metadata."); ok {
			preconditions = append(preconditions, mergepatch.RequireMetadataKeyUnchanged(key))
		} else {
			preconditions = append(preconditions, mergepatch.RequireKeyUnchanged(name))
		}
	}
	switch asked.Do {
	case "json-two-way":
		return jsonpatch.CreateMergePatch(asked.Original, asked.Modified)
	case "json-three-way":
		return jsonmergepatch.CreateThreeWayJSONMergePatch(asked.Original, asked.Modified, asked.Current, preconditions...)
	case "json-conflicts":
		var left, right any
		must(utiljson.Unmarshal(asked.Left, &left))
		must(utiljson.Unmarshal(asked.Right, &right))
		found, err := mergepatch.HasConflicts(left, right)
		return fmt.Append(nil, found), err
	}
	lookup, err := lookup(asked)
	if err != nil {
		return nil, err
	}
	switch asked.Do {
	case "two-way":
		return strategicpatch.CreateTwoWayMergePatchUsingLookupPatchMeta(asked.Original, asked.Modified, lookup, preconditions...)
	case "three-way":
		return strategicpatch.CreateThreeWayMergePatch(asked.Original, asked.Modified, asked.Current, lookup, asked.Overwrite, preconditions...)
	case "apply":
		return strategicpatch.StrategicMergePatchUsingLookupPatchMeta(asked.Original, asked.Patch, lookup)
	case "conflicts":
		var left, right map[string]any
		must(utiljson.Unmarshal(asked.Left, &left))
		must(utiljson.Unmarshal(asked.Right, &right))
		found, err := strategicpatch.MergingMapsHaveConflicts(left, right, lookup)
		return fmt.Append(nil, found), err
	}
	panic("not a question: " + asked.Do)
}

// lookup finds how a kind's fields merge: by the tags of its Go type, or by its OpenAPI schema.
func lookup(asked question) (strategicpatch.LookupPatchMeta, error) {
	if asked.Schema == "openapi" {
		component, ok := kinds[asked.Kind]
		if !ok {
			panic("no schema of " + asked.Kind)
		}
		return strategicpatch.PatchMetaFromOpenAPIV3{SchemaList: components, Schema: component}, nil
	}
	parts := strings.Split(asked.Kind, "/")
	if len(parts) == 2 {
		parts = append([]string{""}, parts...)
	}
	object, err := types.New(schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]})
	if err != nil {
		panic(err.Error())
	}
	return strategicpatch.NewPatchMetaFromStruct(object)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
