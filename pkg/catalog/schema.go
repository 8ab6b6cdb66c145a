package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaRoot stands for the folder of schemas, so that a $ref from one file to another stays within it.
const schemaRoot = "file:///"

// schemaFiles loads schemas by URL from that folder and from nowhere else: a catalogue means the same offline. It keeps
// what it has loaded.
type schemaFiles struct {
	files  fs.FS
	loaded map[string]any // by path
}

// Load implements jsonschema.URLLoader.
func (s schemaFiles) Load(address string) (any, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" || u.Host != "" {
		return nil, errors.New("is not a file of this catalogue")
	}
	if s.files == nil {
		return nil, fs.ErrNotExist
	}
	path := strings.TrimPrefix(u.Path, "/")
	text, err := fs.ReadFile(s.files, path)
	if err != nil {
		return nil, err
	}
	s.loaded[path], err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	return s.loaded[path], err
}

// schema compiles a job's schema. With it come the files that it is made of.
func (r *report) schema(at string, j Job, files fs.FS) (*jsonschema.Schema, map[string]any) {
	if !fs.ValidPath(j.Schema) {
		r.breaks(at+".schema", "%.100q is no path below the catalogue's folder: write it with / and without .. or a leading /", j.Schema)
		return nil, nil
	}
	loader := schemaFiles{files, map[string]any{}}
	schema, err := compile(j.Schema, loader)
	switch {
	case err != nil:
		r.breaks(at+".schema", "%s", schemaFault(j.Schema, err))
		return nil, nil
	case schema.DraftVersion != 2020:
		r.breaks(at+".schema", "%s is of draft %d: write it for 2020-12", j.Schema, schema.DraftVersion)
		return nil, nil
	}
	return schema, loader.loaded
}

func compile(path string, loader schemaFiles) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(loader)
	address := url.URL{Scheme: "file", Path: "/" + path}
	return compiler.Compile(address.String())
}

// schemaFault says in one line what is wrong with a schema and how to mend it.
func schemaFault(path string, err error) string {
	var load *jsonschema.LoadURLError
	var invalid *jsonschema.SchemaValidationError
	var rules *jsonschema.ValidationError
	switch {
	case errors.As(err, &load):
		missing := strings.TrimPrefix(load.URL, schemaRoot)
		if errors.Is(load.Err, fs.ErrNotExist) { // LoadURLError does not unwrap
			return missing + " does not exist: add the file, or mend the path"
		}
		return missing + " cannot be read: " + oneLine(load.Err.Error())
	case errors.As(err, &invalid) && errors.As(invalid.Err, &rules):
		return strings.TrimSuffix(strings.TrimPrefix(invalid.URL, schemaRoot), "#") + " is no JSON Schema 2020-12: " + breaches(rules)
	default:
		return path + " is no JSON Schema 2020-12: " + oneLine(err.Error())
	}
}

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.ReplaceAll(text, schemaRoot, "")
}

// ValidateInput checks a job's input, one JSON value, against the type's schema; without a schema all is well. The
// error says which rule is broken where, and holds no value of the input. It is safe for concurrent use.
func (j Job) ValidateInput(input []byte) error {
	if j.schema == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return errors.New("input is not JSON")
	}
	if path, ok := outsized(value, nil); ok {
		return fmt.Errorf("input breaks %s: %s: a number beyond double precision", j.Schema, pointer(path))
	}
	var rules *jsonschema.ValidationError
	if err := j.schema.Validate(value); errors.As(err, &rules) {
		return fmt.Errorf("input breaks %s: %s", j.Schema, breaches(rules))
	} else if err != nil {
		return fmt.Errorf("input breaks %s: %w", j.Schema, err)
	}
	return nil
}

// outsized finds a number whose exponent no double has. The validator works with exact fractions: such a number
// would cost it seconds, and one of a million digits a panic.
func outsized(value any, path []string) ([]string, bool) {
	switch value := value.(type) {
	case json.Number:
		return path, exponent(string(value)) > 400
	case []any:
		for i, item := range value {
			if at, ok := outsized(item, append(path, strconv.Itoa(i))); ok {
				return at, true
			}
		}
	case map[string]any:
		for name, item := range value {
			if at, ok := outsized(item, append(path, name)); ok {
				return at, true
			}
		}
	}
	return nil, false
}

// exponent returns the written exponent of a JSON number, without its sign.
func exponent(number string) int {
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimLeft(number[i+1:], "+-"))
	if err != nil { // too long for an int
		return 1 << 30
	}
	return n
}
