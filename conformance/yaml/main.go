// Asks Go's YAML libraries what they read and write, and records the answers as test cases.
//
//	go run . ../../crates/yaml/tests/cases
//
// For every NAME.yaml it writes NAME.json: the JSON of sigs.k8s.io/yaml, or its error. For every line of
// scalars.txt it writes a line of scalars.jsonl: what sigs.k8s.io/yaml and go-yaml v3 make of it. It writes
// emit.jsonl: values made from a fixed seed, and the YAML that sigs.k8s.io/yaml writes for them.
//
// Without an argument it answers lines of JSON on standard input by lines on standard output, as serve.go tells.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

type answer struct {
	JSON  json.RawMessage `json:"json,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	if len(os.Args) < 2 {
		serve(os.Stdin, os.Stdout)
		return
	}
	dir := os.Args[1]
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		out, err := json.MarshalIndent(askSigs(text), "", "  ")
		must(err)
		must(os.WriteFile(strings.TrimSuffix(file, ".yaml")+".json", append(out, '\n'), 0o644))
	}
	must(os.WriteFile(filepath.Join(dir, "scalars.jsonl"), scalars(filepath.Join(dir, "scalars.txt")), 0o644))
	must(os.WriteFile(filepath.Join(dir, "emit.jsonl"), emitted(), 0o644))
}

func askSigs(text []byte) answer {
	out, err := yaml.YAMLToJSON(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{JSON: out}
}

func askV3(text []byte) answer {
	var value any
	if err := yaml3.Unmarshal(text, &value); err != nil {
		return answer{Error: err.Error()}
	}
	out, err := json.Marshal(value)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{JSON: out}
}

func scalars(file string) []byte {
	text, err := os.ReadFile(file)
	must(err)
	var out bytes.Buffer
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		doc := []byte("a: " + line + "\n")
		row(&out, map[string]any{"yaml": string(doc), "sigs": askSigs(doc), "v3": askV3(doc)})
	}
	return out.Bytes()
}

func emitted() []byte {
	random := rand.New(rand.NewSource(1))
	var out bytes.Buffer
	for range 400 {
		value := randomMap(random, 3)
		text, err := yaml.Marshal(value)
		must(err)
		row(&out, map[string]any{"value": value, "yaml": string(text)})
	}
	return out.Bytes()
}

var words = []string{
	"a", "app", "b2", "b10", "b010", "on", "yes", "null", "~", "true", "1", "1.5", "0x1f", "1e3", "1:30", "2020-01-01",
	"-", "- x", "a: b", "a #b", "#", "&a", "*a", "!x", "%x", "@x", "`x`", "'", "\"", "\\", "{}", "[]", "a,b", "?", ":",
	" lead", "trail ", "", "tab\there", "line\nbreak", "line\n", "\nline", "two\n\n", "  in\ndented", "é", "世界", "\u2028",
	"\u00a0", "\x01", "😀 smile", "\ufeffbom", "---", "...", "--- x", "=", "<<", "nginx:1.25", "10m", "100Mi",
	"app.kubernetes.io/name", "{{ .Values.x }}", "0o17", "017", "08", "1_000", "+1", ".5", ".inf", ".nan", "y", "N",
	"the quick brown fox jumps over the lazy dog and then it jumps back again because it was told to do so",
	"a: the quick brown fox jumps over the lazy dog and then it jumps back again because it was told so",
	"#!/bin/sh\nset -e\n\necho \"hi\"\n", "cr\r\nlf\r\n", "tail \nblank", "\ttab\nfirst", "a\n  b\n c\n\n",
}

func randomText(random *rand.Rand) string {
	text := words[random.Intn(len(words))]
	for random.Intn(3) == 0 {
		text += []string{"", " ", "-", "\n"}[random.Intn(4)] + words[random.Intn(len(words))]
	}
	return text
}

func randomMap(random *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range random.Intn(5) {
		out[randomText(random)] = randomValue(random, depth-1)
	}
	return out
}

func randomValue(random *rand.Rand, depth int) any {
	kinds := 7
	if depth > 0 {
		kinds = 11
	}
	switch kind := random.Intn(kinds); kind {
	case 0:
		return nil
	case 1:
		return random.Intn(2) == 0
	case 2:
		return random.Int63() >> random.Intn(63)
	case 3:
		return float64(random.Intn(1000)) * math.Pow10(random.Intn(40)-20)
	case 4, 5, 6:
		return randomText(random)
	case 7, 8:
		list := []any{}
		for range random.Intn(4) {
			list = append(list, randomValue(random, depth-1))
		}
		return list
	default:
		return randomMap(random, depth)
	}
}

func row(out *bytes.Buffer, value any) {
	text, err := json.Marshal(value)
	must(err)
	fmt.Fprintf(out, "%s\n", text)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
