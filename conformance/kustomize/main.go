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
	"path/filepath"
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
	// A directory of this machine to build, with charts, in place of files.
	Directory string `json:"directory"`
	// The program that renders its charts.
	Helm string `json:"helm"`
	// An address: then it is told what it is taken for.
	URL string `json:"url"`
}

type answer struct {
	Out string `json:"out,omitempty"`
	Err string `json:"err,omitempty"`
}

func main() {
	if filepath.Base(os.Args[0]) == "git" {
		git()
		return
	}
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
			told := build
			if asked.URL != "" {
				told = func(asked question) answer { return remote(asked.URL) }
			}
			if err := encoder.Encode(told(asked)); err != nil {
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
	path := asked.Path
	if asked.Directory != "" {
		system, path = filesys.MakeFsOnDisk(), asked.Directory
		options.PluginConfig.HelmConfig = types.HelmConfig{Enabled: true, Command: asked.Helm}
	}
	objects, err := krusty.MakeKustomizer(options).Run(system, path)
	if err != nil {
		return answer{Err: err.Error()}
	}
	text, err := objects.AsYaml()
	if err != nil {
		return answer{Err: err.Error()}
	}
	return answer{Out: string(text)}
}
