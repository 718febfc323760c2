// Builds kustomizations as Kustomize does: one JSON object a line in, one a line out.
//
// With -schema it prints the table that crates/kustomize has as src/data/schema.txt instead: which lists of which kinds
// are merged, as the OpenAPI document that Kustomize has built in says.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

type question struct {
	// The files of a small tree.
	Files map[string]string `json:"files"`
	// The directory to build.
	Path string `json:"path"`
	// Whether files may be loaded from anywhere.
	Unrestricted bool `json:"unrestricted"`
	// "legacy" or "none".
	Order string `json:"order"`
}

type answer struct {
	Out string `json:"out,omitempty"`
	Err string `json:"err,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-schema" {
		schema(os.Stdout)
		return
	}
	log.SetOutput(io.Discard)
	// What Kustomize warns of goes to standard error; nobody reads it here.
	os.Stderr, _ = os.Open(os.DevNull)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var asked question
			if err := json.Unmarshal(line, &asked); err != nil {
				panic(err)
			}
			if err := encoder.Encode(build(asked)); err != nil {
				panic(err)
			}
			if err := out.Flush(); err != nil {
				panic(err)
			}
		}
		if err != nil {
			return
		}
	}
}

func build(asked question) (told answer) {
	defer func() {
		if failure := recover(); failure != nil {
			told = answer{Err: "panic"}
		}
	}()
	system := filesys.MakeFsInMemory()
	for path, content := range asked.Files {
		if err := system.WriteFile(path, []byte(content)); err != nil {
			return answer{Err: err.Error()}
		}
		if strings.Contains(content, "openapi:") {
			// Schemas stay for the life of the process, and those of builds before would count in this one.
			openapi.ResetOpenAPI()
			defer openapi.ResetOpenAPI()
		}
	}
	options := krusty.MakeDefaultOptions()
	if asked.Unrestricted {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	options.Reorder = krusty.ReorderOptionLegacy
	if asked.Order == "none" {
		options.Reorder = krusty.ReorderOptionNone
	}
	objects, err := krusty.MakeKustomizer(options).Run(system, asked.Path)
	if err != nil {
		return answer{Err: err.Error()}
	}
	text, err := objects.AsYaml()
	if err != nil {
		return answer{Err: err.Error()}
	}
	return answer{Out: string(text)}
}
