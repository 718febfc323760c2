package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Where the program writes down how it was called in git's place.
const calls = "BOWLINE_GIT_CALLS"

// remote tells what Kustomize takes an address for: it is made to fetch it, with this very program in git's place.
func remote(url string) (told answer) {
	folder, err := os.MkdirTemp("", "kustomization-")
	if err != nil {
		return answer{Err: err.Error()}
	}
	defer os.RemoveAll(folder)
	own, err := os.Executable()
	if err != nil {
		return answer{Err: err.Error()}
	}
	written := filepath.Join(folder, "calls")
	for _, err := range []error{
		os.Symlink(own, filepath.Join(folder, "git")),
		os.Setenv("PATH", folder),
		os.Setenv(calls, written),
		// Components are directories or repositories: nothing is asked of a web server.
		os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte("components:\n- "+quoted(url)+"\n"), 0o600),
	} {
		if err != nil {
			return answer{Err: err.Error()}
		}
	}
	_, err = krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	asked, _ := os.ReadFile(written)
	for _, line := range strings.Split(string(asked), "\n") {
		words := strings.Split(line, "\x00")
		if len(words) == 4 && words[0] == "fetch" {
			return answer{Out: strings.Join([]string{words[2], directory(err), words[3]}, "\n")}
		}
	}
	return answer{Err: err.Error()}
}

var place = regexp.MustCompile(`kustomize-[0-9]+(/[^']*)?'`)

// directory finds the directory in the repository in what Kustomize says of its not being there.
func directory(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(err.Error(), `\\`, `\`)
	if found := place.FindStringSubmatch(text); found != nil {
		return strings.TrimPrefix(found[1], "/")
	}
	return text
}

func quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// git stands in for git: it does nothing but to write down how it was called.
func git() {
	file, err := os.OpenFile(os.Getenv(calls), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		os.Exit(1)
	}
	file.WriteString(strings.Join(os.Args[1:], "\x00") + "\n")
	file.Close()
}
