package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log"
	"strconv"
	"strings"
	"text/template"
)

// decode reads a typed value: an array of the type's letters and what it holds.
//
//	["nil"]  ["bool", true]  ["int", "5"]  ["int8", "5"] … ["uint64", "5"]  ["float64", "1.5"]  ["float32", "1.5"]
//	["string", TEXT]  ["bytes", base64]  ["list", [VALUE…]]  ["strings", [TEXT…]]  ["ints", ["5"…]]  ["floats", ["1.5"…]]
//	["lists", [[VALUE…]…]]  ["maps", [{…}…]]
//	["map", {"key": VALUE}]  ["smap", {"key": TEXT}]  ["imap", {"key": "5"}]  ["mmap", {"key": {"key": VALUE}}]
//	["values", {"key": VALUE}]  ["nilmap"]  ["nillist"]  ["nilstrings"]  ["nilbytes"]
//	["box", {"key": VALUE}]  ["boxptr", {"key": VALUE}]  ["nilbox"]  ["files", {"key": base64}]  ["names", [TEXT…]]
//	["error", TEXT]  ["stringer", TEXT]  ["func", NAME]
func decode(encoded json.RawMessage) any {
	if len(encoded) == 0 {
		return nil
	}
	var parts []json.RawMessage
	must(json.Unmarshal(encoded, &parts))
	var kind string
	must(json.Unmarshal(parts[0], &kind))
	var held json.RawMessage
	if len(parts) > 1 {
		held = parts[1]
	}
	number := func() string {
		var digits string
		must(json.Unmarshal(held, &digits))
		return digits
	}
	signed := func(bits int) int64 {
		n, err := strconv.ParseInt(number(), 10, bits)
		must(err)
		return n
	}
	unsigned := func(bits int) uint64 {
		n, err := strconv.ParseUint(number(), 10, bits)
		must(err)
		return n
	}
	switch kind {
	case "nil":
		return nil
	case "bool":
		var truth bool
		must(json.Unmarshal(held, &truth))
		return truth
	case "int":
		return int(signed(64))
	case "int8":
		return int8(signed(8))
	case "int16":
		return int16(signed(16))
	case "int32":
		return int32(signed(32))
	case "int64":
		return signed(64)
	case "uint":
		return uint(unsigned(64))
	case "uint8":
		return uint8(unsigned(8))
	case "uint16":
		return uint16(unsigned(16))
	case "uint32":
		return uint32(unsigned(32))
	case "uint64":
		return unsigned(64)
	case "uintptr":
		return uintptr(unsigned(64))
	case "float64":
		return float(number())
	case "float32":
		return float32(float(number()))
	case "string":
		return raw(held)
	case "bytes":
		return fromBase64(held)
	case "list":
		return list(held)
	case "strings":
		return texts(held)
	case "ints":
		var digits []string
		must(json.Unmarshal(held, &digits))
		ints := make([]int, len(digits))
		for i, d := range digits {
			n, err := strconv.Atoi(d)
			must(err)
			ints[i] = n
		}
		return ints
	case "floats":
		var digits []string
		must(json.Unmarshal(held, &digits))
		floats := make([]float64, len(digits))
		for i, d := range digits {
			floats[i] = float(d)
		}
		return floats
	case "lists":
		var each []json.RawMessage
		must(json.Unmarshal(held, &each))
		lists := make([][]any, len(each))
		for i, one := range each {
			lists[i] = list(one)
		}
		return lists
	case "maps":
		var each []json.RawMessage
		must(json.Unmarshal(held, &each))
		maps := make([]map[string]any, len(each))
		for i, one := range each {
			maps[i] = entries(one)
		}
		return maps
	case "map":
		return entries(held)
	case "values":
		return Values(entries(held))
	case "smap":
		var each map[string]json.RawMessage
		must(json.Unmarshal(held, &each))
		smap := make(map[string]string, len(each))
		for key, one := range each {
			smap[key] = raw(one)
		}
		return smap
	case "imap":
		var each map[string]string
		must(json.Unmarshal(held, &each))
		imap := make(map[string]int, len(each))
		for key, one := range each {
			n, err := strconv.Atoi(one)
			must(err)
			imap[key] = n
		}
		return imap
	case "mmap":
		var each map[string]json.RawMessage
		must(json.Unmarshal(held, &each))
		mmap := make(map[string]map[string]any, len(each))
		for key, one := range each {
			mmap[key] = entries(one)
		}
		return mmap
	case "nilmap":
		return map[string]any(nil)
	case "nillist":
		return []any(nil)
	case "nilstrings":
		return []string(nil)
	case "nilbytes":
		return []byte(nil)
	case "box":
		return *box(held)
	case "boxptr":
		return box(held)
	case "nilbox":
		return (*Box)(nil)
	case "files":
		var each map[string]json.RawMessage
		must(json.Unmarshal(held, &each))
		found := make(files, len(each))
		for key, one := range each {
			found[key] = fromBase64(one)
		}
		return found
	case "names":
		return names(texts(held))
	case "error":
		return errors.New(raw(held))
	case "stringer":
		return stringer{raw(held)}
	case "func":
		var name string
		must(json.Unmarshal(held, &name))
		return functionValues[name]
	}
	log.Fatalf("no value: %s", encoded)
	return nil
}

func float(digits string) float64 {
	n, err := strconv.ParseFloat(digits, 64)
	must(err)
	return n
}

func fromBase64(held json.RawMessage) []byte {
	var encoded string
	must(json.Unmarshal(held, &encoded))
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	must(err)
	return decoded[:len(decoded):len(decoded)]
}

func list(held json.RawMessage) []any {
	var each []json.RawMessage
	must(json.Unmarshal(held, &each))
	list := make([]any, len(each))
	for i, one := range each {
		list[i] = decode(one)
	}
	return list
}

func texts(held json.RawMessage) []string {
	var each []json.RawMessage
	must(json.Unmarshal(held, &each))
	texts := make([]string, len(each))
	for i, one := range each {
		texts[i] = raw(one)
	}
	return texts
}

func entries(held json.RawMessage) map[string]any {
	var each map[string]json.RawMessage
	must(json.Unmarshal(held, &each))
	entries := make(map[string]any, len(each))
	for key, one := range each {
		entries[key] = decode(one)
	}
	return entries
}

func box(held json.RawMessage) *Box {
	fields := entries(held)
	made := &Box{Any: fields["Any"]}
	made.Name, _ = fields["Name"].(string)
	made.Count, _ = fields["Count"].(int)
	made.Map, _ = fields["Map"].(map[string]any)
	made.List, _ = fields["List"].([]any)
	if next, ok := fields["Next"].(*Box); ok {
		made.Next = next
	}
	return made
}

// Values is a defined map type, as Helm's values are.
type Values map[string]any

// Box is a host's struct.
type Box struct {
	Name  string
	Count int
	Any   any
	Map   map[string]any
	List  []any
	Next  *Box
}

func (b Box) Greet(name string) string { return b.Name + " greets " + name }
func (b Box) Sum(first int, more ...int) int {
	for _, n := range more {
		first += n
	}
	return first + b.Count
}
func (b Box) Fail(why string) (string, error) { return "", errors.New(why) }
func (b Box) Same(value any) any              { return value }
func (b Box) Size() int                       { return b.Count }

// files is a defined map type with methods, as Helm's .Files is.
type files map[string][]byte

func (f files) Get(name string) string { return string(f[name]) }
func (f files) Raw(name string) []byte { return f[name] }

// names is a defined list type with a method, as Helm's .Capabilities.APIVersions is.
type names []string

func (n names) Has(name string) bool {
	for _, one := range n {
		if one == name {
			return true
		}
	}
	return false
}

type stringer struct{ Text string }

func (s stringer) String() string { return s.Text }

var functionValues = map[string]any{
	"upper": func(s string) string { return strings.ToUpper(s) },
	"add": func(first int, more ...int) (int, error) {
		for _, n := range more {
			first += n
		}
		if first < 0 {
			return 0, errors.New("negative")
		}
		return first, nil
	},
	"any": func(value any) any { return value },
	"seq": iter.Seq[int](func(yield func(int) bool) {
		for i := 10; i < 13; i++ {
			if !yield(i) {
				return
			}
		}
	}),
	"seq2": iter.Seq2[string, int](func(yield func(string, int) bool) {
		for i, s := range []string{"a", "b", "c"} {
			if !yield(s, i) {
				return
			}
		}
	}),
	"empty": iter.Seq[int](func(func(int) bool) {}),
}

// functions declares one function for each form of parameter that matters.
func functions(root *template.Template) template.FuncMap {
	return template.FuncMap{
		"fany":     func(value any) any { return value },
		"fstr":     func(s string) string { return s + "!" },
		"fint":     func(n int) int { return n + 1 },
		"fint64":   func(n int64) int64 { return n + 1 },
		"fint8":    func(n int8) int8 { return n },
		"fuint":    func(n uint) uint { return n },
		"ffloat":   func(f float64) float64 { return f / 2 },
		"fbool":    func(b bool) bool { return !b },
		"fmap":     func(m map[string]any) map[string]any { return m },
		"flist":    func(l []any) []any { return l },
		"fstrings": func(l []string) []string { return l },
		"fbytes":   func(b []byte) string { return string(b) },
		"ferror":   func(err error) string { return fmt.Sprint(err) },
		"fjoin":    func(separator string, parts ...string) string { return strings.Join(parts, separator) },
		"fsum": func(ns ...int) int {
			sum := 0
			for _, n := range ns {
				sum += n
			}
			return sum
		},
		"fboom":  func(why string) (string, error) { return "", errors.New(why) },
		"fpanic": func(why string) string { panic(why) },
		"fnone":  func() any { return nil },
		"fnil":   func() map[string]any { return nil },
		"flist0": func(parts ...any) []any { return parts[:len(parts):len(parts)] },
		"fdict": func(parts ...any) map[string]any {
			dict := map[string]any{}
			for i := 0; i+1 < len(parts); i += 2 {
				dict[fmt.Sprint(parts[i])] = parts[i+1]
			}
			return dict
		},
		"fset": func(m map[string]any, key string, value any) map[string]any {
			m[key] = value
			return m
		},
		"fvalues": func(m Values) Values { return m },
		"ftype":   func(value any) string { return fmt.Sprintf("%T", value) },
		"finclude": func(name string, data any) (string, error) {
			var out strings.Builder
			err := root.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
	}
}
