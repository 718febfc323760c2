package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// question is one line: a text to read, or a value to write.
type question struct {
	Read  *string         `json:"read"`
	Write json.RawMessage `json:"write"`
}

// reading is what the libraries make of a text: sigs.k8s.io/yaml, its strict form, and go-yaml v3.
type reading struct {
	Sigs   answer `json:"sigs"`
	Strict answer `json:"strict"`
	V3     answer `json:"v3"`
}

// writing is a value as sigs.k8s.io/yaml writes it, which fails of some characters, and as go-yaml v3 does by an
// indentation of two.
type writing struct {
	Sigs   *string `json:"sigs"`
	Pretty string  `json:"pretty"`
}

func serve(in io.Reader, out io.Writer) {
	lines := bufio.NewReaderSize(in, 1<<20)
	answers := bufio.NewWriterSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			must(answers.Flush())
			return
		}
		must(err)
		var asked question
		must(json.Unmarshal(line, &asked))
		var made any
		if asked.Read != nil {
			text := []byte(*asked.Read)
			made = reading{
				safely(func() answer { return askSigs(text) }),
				safely(func() answer { return askStrict(text) }),
				safely(func() answer { return askV3(text) }),
			}
		} else {
			made = write(asked.Write)
		}
		told, err := json.Marshal(made)
		must(err)
		_, err = answers.Write(append(told, '\n'))
		must(err)
		if lines.Buffered() == 0 {
			must(answers.Flush())
		}
	}
}

// safely tells of a library that panics as of one that refuses.
func safely(ask func() answer) (made answer) {
	defer func() {
		if why := recover(); why != nil {
			made = answer{Error: fmt.Sprint("panic: ", why)}
		}
	}()
	return ask()
}

func askStrict(text []byte) answer {
	out, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{JSON: out}
}

func write(raw []byte) writing {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	must(decoder.Decode(&value))
	var sigs *string
	if text, err := yaml.Marshal(floats(value)); err == nil {
		made := string(text)
		sigs = &made
	}
	var pretty bytes.Buffer
	encoder := yaml3.NewEncoder(&pretty)
	encoder.SetIndent(2)
	must(encoder.Encode(plain(value)))
	must(encoder.Close())
	return writing{sigs, pretty.String()}
}

// floats makes floats of numbers that are written as such; integers stay exact.
func floats(value any) any {
	switch value := value.(type) {
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return plain(value)
		}
	case []any:
		for at := range value {
			value[at] = floats(value[at])
		}
	case map[string]any:
		for key := range value {
			value[key] = floats(value[key])
		}
	}
	return value
}

// plain makes Go's own numbers of those of JSON.
func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		float, err := value.Float64()
		must(err)
		return float
	case []any:
		for at := range value {
			value[at] = plain(value[at])
		}
		return value
	case map[string]any:
		for key := range value {
			value[key] = plain(value[key])
		}
		return value
	}
	return value
}
