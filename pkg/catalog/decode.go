package catalog

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode reads a catalogue's YAML into the structs that a Go user would write, and notes the line of every field.
// Rules are not checked here, and defaults are not set: an explicit zero is told from a missing field.
func decode(r *report, data []byte) Catalog {
	var c Catalog
	root := document(r, data)
	if root.node == nil {
		return c
	}
	root.needs("version", "write version: 1")
	root.members(map[string]func(field){
		"version":   field.version,
		"jobs":      func(f field) { c.Jobs = entries(f, field.job) },
		"schedules": func(f field) { c.Schedules = entries(f, field.schedule) },
		"handlers":  func(f field) { c.Handlers = entries(f, field.handler) },
	})
	return c
}

// document returns the root of the one YAML document in data; its node is nil when there is none.
func document(r *report, data []byte) field {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	first, err := r.next(dec)
	if err == nil && (first == nil || first.isNull()) {
		r.add("", "is empty: write version: 1 and the jobs")
		return field{}
	}
	if err != nil {
		return field{}
	}
	if second, _ := r.next(dec); second != nil {
		r.addAt(second.node.Line, "", "a second document begins here: a catalogue is one")
	}
	return *first
}

// next reads one document and returns its root, or nil at the end of the file.
func (r *report) next(dec *yaml.Decoder) (*field, error) {
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		r.syntax(err)
		return nil, err
	}
	return &field{r, "", doc.Content[0]}, nil
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// syntax adds what the YAML library says, with its line in the place of ours.
func (r *report) syntax(err error) {
	line, text := 0, err.Error()
	if m := yamlError.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // 0 where the library gives none
		text = m[2]
	}
	r.addAt(line, "", "not YAML: "+text)
}

// field is one value in the file and the path that leads to it.
type field struct {
	*report
	path string
	node *yaml.Node
}

// bad says why the value cannot be read.
func (f field) bad(format string, args ...any) {
	f.add(f.path, format, args...)
	f.unread = append(f.unread, f.path)
}

// is reports whether the value is of the wanted kind, and complains when it is not. Want is for the text.
func (f field) is(kind yaml.Kind, want string) bool {
	switch {
	case f.node.Kind == yaml.AliasNode:
		f.bad("is an alias, which a catalogue does not follow: write the value out")
	case f.node.Kind == kind && !f.isNull():
		return true
	case f.isNull():
		f.bad("is empty: write %s, or leave the key out", want)
	default:
		f.bad("is of the wrong type: write %s", want)
	}
	return false
}

func (f field) isNull() bool {
	return f.node.Kind == yaml.ScalarNode && f.node.ShortTag() == "!!null"
}

// pairs calls each for every key of a mapping, once, with the value's path made from the key.
func (f field) pairs(path func(key string) string, each func(key string, value field)) {
	if !f.is(yaml.MappingNode, "a mapping of keys to values") {
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		name := f.node.Content[i]
		value := field{f.report, path(name.Value), f.node.Content[i+1]}
		first, twice := lines[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || name.ShortTag() != "!!str":
			f.addAt(name.Line, value.path, "the key is not text: quote it, or write a name")
		case twice:
			f.addAt(name.Line, value.path, "is written twice, first on line "+strconv.Itoa(first)+": remove one")
		default:
			lines[name.Value], f.lines[value.path] = name.Line, name.Line
			each(name.Value, value)
		}
	}
}

// needs complains when a mapping has not the key.
func (f field) needs(key, mend string) {
	for i := 0; i < len(f.node.Content); i += 2 {
		if f.node.Content[i].Value == key {
			return
		}
	}
	if f.node.Kind == yaml.MappingNode {
		f.add(f.member(key), "required: %s", mend)
	}
}

// item returns one of a list.
func (f field) item(i int) field {
	one := field{f.report, item(f.path, i), f.node.Content[i]}
	f.lines[one.path] = one.node.Line
	return one
}

// members reads a mapping whose keys are all known.
func (f field) members(known map[string]func(field)) {
	f.pairs(f.member, func(key string, value field) {
		read, ok := known[key]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			f.add(value.path, "is no key here: use %s", strings.Join(names, ", "))
			return
		}
		read(value)
	})
}

func (f field) member(key string) string {
	if f.path == "" {
		return printable(key)
	}
	return f.path + "." + printable(key)
}

// entries reads a mapping whose keys are names that the user gives. An empty section is none.
func entries[T any](f field, read func(field) T) map[string]T {
	if f.isNull() {
		return nil
	}
	all := map[string]T{}
	f.pairs(func(key string) string { return entry(f.path, key) }, func(key string, value field) {
		all[key] = read(value)
	})
	return all
}
