package main

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// What Kustomize knows of kinds.
var defs spec.Definitions

// leads tells whether a definition holds a list that is merged, however deep.
var leads = map[string]bool{}

func short(n string) string {
	n = strings.TrimPrefix(n, "io.k8s.api.")
	n = strings.TrimPrefix(n, "io.k8s.apimachinery.pkg.apis.")
	n = strings.TrimPrefix(n, "io.k8s.apiextensions-apiserver.pkg.apis.")
	n = strings.TrimPrefix(n, "io.k8s.kube-aggregator.pkg.apis.")
	return n
}

func field(v spec.Schema) (text string, leading bool) {
	if r := v.Ref.String(); r != "" {
		n := strings.TrimPrefix(r, "#/definitions/")
		if leads[n] {
			return short(n), true
		}
		d := defs[n]
		if len(d.Properties) > 0 || d.AdditionalProperties != nil {
			return "-", false
		}
		return "", false
	}
	rs := openapi.ResourceSchema{Schema: &v}
	st, keys := rs.PatchStrategyAndKeyList()
	merge := false
	for _, s := range strings.Split(st, ",") {
		merge = merge || s == "merge"
	}
	if merge && v.Items != nil {
		inner := "-"
		if t, _ := field(*v.Items.Schema); t != "" {
			inner = t
		}
		return "*" + strings.Join(keys, ",") + " " + inner, true
	}
	if v.AdditionalProperties != nil && v.AdditionalProperties.Schema != nil {
		if t, l := field(*v.AdditionalProperties.Schema); l {
			panic("a map of what leads to lists: " + t)
		}
		return "-", false
	}
	if len(v.Properties) > 0 {
		panic("properties within properties")
	}
	return "", false
}

// schema prints a type and its kinds a line, its fields indented: only those that are maps, lists that are merged, or
// lead to such.
func schema(to io.Writer) {
	openapi.SchemaForResourceType(yaml.TypeMeta{})
	defs = openapi.Schema().Definitions
	for changed := true; changed; {
		changed = false
		for n, d := range defs {
			if leads[n] {
				continue
			}
			for _, p := range d.Properties {
				if _, l := field(p); l {
					leads[n], changed = true, true
				}
			}
		}
	}
	w := bufio.NewWriter(to)
	defer w.Flush()
	names := []string{}
	for k := range defs {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, name := range names {
		d := defs[name]
		kinds := []string{}
		if g, ok := d.Extensions["x-kubernetes-group-version-kind"].([]interface{}); ok {
			for _, x := range g {
				m := x.(map[string]interface{})
				av := m["version"].(string)
				if m["group"] != nil && m["group"] != "" {
					av = m["group"].(string) + "/" + av
				}
				kind := av + ":" + m["kind"].(string)
				ns, found := openapi.IsNamespaceScoped(yaml.TypeMeta{APIVersion: av, Kind: m["kind"].(string)})
				if found && !ns {
					kind += "!"
				}
				kinds = append(kinds, kind)
			}
		}
		if !leads[name] && len(kinds) == 0 || len(kinds) > 5 {
			continue
		}
		fmt.Fprintln(w, strings.TrimSpace(short(name)+" "+strings.Join(kinds, " ")))
		ps := []string{}
		for p := range d.Properties {
			ps = append(ps, p)
		}
		sort.Strings(ps)
		for _, p := range ps {
			if t, _ := field(d.Properties[p]); t != "" {
				fmt.Fprintf(w, "  %s %s\n", p, t)
			}
		}
	}
}
