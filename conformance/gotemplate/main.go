// Answers what Go's text/template makes of a template, with sprig's or Helm's functions if asked for.
//
//	go run . < cases.jsonl     one answer a line for each case
//	go run . bench < case      how long parsing and executing takes
//	go run . sprig             the names of sprig's functions
//	go run . tables            the character tables of crates/gotmpl/src/tables.rs
//
// A case:
//
//	{"templates": [["name", "text"], …], "run": "name", "data": VALUE, "missing": "zero", "delims": ["<<", ">>"],
//	 "sprig": true, "helm": true, "functions": ["name", …], "print": true}
//
// The templates are parsed in order into one set, which knows the functions of values.go or sprig's, and "functions", which
// do nothing. The answer is {"out": …}, {"error": …, "out": what was written before},
// {"parse": the error of the parser} or, with "print", {"trees": {name: the printed tree}}. Text that is not UTF-8 comes
// as {"64": base64}. VALUE is typed: see values.go.
//
// {"check": …} asks what Go says of what a template made by chance: see check.go.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/sprig/v3"
)

type request struct {
	Templates [][2]json.RawMessage `json:"templates"`
	Run       string               `json:"run"`
	Data      json.RawMessage      `json:"data"`
	Missing   string               `json:"missing"`
	Delims    [2]string            `json:"delims"`
	Sprig     bool                 `json:"sprig"`
	Functions []string             `json:"functions"`
	Helm      bool                 `json:"helm"`
	Print     bool                 `json:"print"`
	Check     *checked             `json:"check"`
}

type text string

func (t text) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	var err error
	if utf8.ValidString(string(t)) {
		err = encoder.Encode(string(t))
	} else {
		err = encoder.Encode(map[string]string{"64": base64.StdEncoding.EncodeToString([]byte(t))})
	}
	return bytes.TrimSpace(out.Bytes()), err
}

type reply struct {
	Out   *text           `json:"out,omitempty"`
	Error *text           `json:"error,omitempty"`
	Parse *text           `json:"parse,omitempty"`
	Trees map[string]text `json:"trees,omitempty"`
	Check map[string]any  `json:"check,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "tables" {
		writeTables(os.Stdout)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "sprig" {
		for _, name := range slices.Sorted(maps.Keys(sprig.TxtFuncMap())) {
			fmt.Println(name)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		bench()
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var asked request
			if err := json.Unmarshal(line, &asked); err != nil {
				log.Fatalf("%v: %s", err, line)
			}
			var answer bytes.Buffer
			encoder := json.NewEncoder(&answer)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(ask(asked)); err != nil {
				log.Fatal(err)
			}
			out.Write(answer.Bytes())
			// Whoever asks one by one waits for each answer.
			if in.Buffered() == 0 {
				out.Flush()
			}
		}
		if err != nil {
			break
		}
	}
	out.Flush()
}

func bench() {
	var asked request
	must(json.NewDecoder(os.Stdin).Decode(&asked))
	data := decode(asked.Data)
	const turns = 2000
	parse := func() *template.Template {
		root := template.New("set").Option("missingkey=" + asked.Missing)
		root.Funcs(functions(root))
		for _, named := range asked.Templates {
			template.Must(root.New(raw(named[0])).Parse(raw(named[1])))
		}
		return root
	}
	root := parse()
	var out bytes.Buffer
	begin := time.Now()
	for range turns {
		out.Reset()
		must(root.ExecuteTemplate(&out, asked.Run, data))
	}
	execute := time.Since(begin) / turns
	begin = time.Now()
	for range turns / 5 {
		parse()
	}
	fmt.Printf("%d bytes: parse %v, execute %v\n", out.Len(), time.Since(begin)/(turns/5), execute)
}

func ask(asked request) (answer reply) {
	if asked.Check != nil {
		return reply{Check: check(*asked.Check)}
	}
	root := template.New("set").Delims(asked.Delims[0], asked.Delims[1])
	if asked.Missing != "" {
		root.Option("missingkey=" + asked.Missing)
	}
	if asked.Helm {
		helmFunctions(root)
	} else if asked.Sprig {
		root.Funcs(sprig.TxtFuncMap())
	} else {
		root.Funcs(functions(root))
	}
	for _, name := range asked.Functions {
		root.Funcs(template.FuncMap{name: func(...any) any { return nil }})
	}
	for _, named := range asked.Templates {
		if _, err := root.New(raw(named[0])).Parse(raw(named[1])); err != nil {
			message := text(err.Error())
			return reply{Parse: &message}
		}
	}
	if asked.Print {
		answer.Trees = map[string]text{}
		for _, one := range root.Templates() {
			answer.Trees[one.Name()] = text(one.Root.String())
		}
		return answer
	}
	var out strings.Builder
	err := root.ExecuteTemplate(&out, asked.Run, decode(asked.Data))
	written := text(out.String())
	answer.Out = &written
	if err != nil {
		message := text(err.Error())
		answer.Error = &message
	}
	return answer
}

// raw reads a text: a string, or {"64": base64}.
func raw(encoded json.RawMessage) string {
	if encoded[0] == '"' {
		var plain string
		must(json.Unmarshal(encoded, &plain))
		return plain
	}
	var other map[string]string
	must(json.Unmarshal(encoded, &other))
	decoded, err := base64.StdEncoding.DecodeString(other["64"])
	must(err)
	return string(decoded)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
