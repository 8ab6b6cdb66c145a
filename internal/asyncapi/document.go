package asyncapi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Document is an AsyncAPI document, in the order in which it is read.
type Document struct {
	AsyncAPI           string               `json:"asyncapi"`
	Info               info                 `json:"info"`
	DefaultContentType string               `json:"defaultContentType"`
	Channels           map[string]channel   `json:"channels"`
	Operations         map[string]operation `json:"operations"`
	Components         components           `json:"components"`
}

type info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type channel struct {
	Address     string               `json:"address"`
	Title       string               `json:"title"`
	Description string               `json:"description"`
	Parameters  map[string]reference `json:"parameters"`
	Messages    map[string]reference `json:"messages"`
	Declared    *declared            `json:"x-oprun,omitempty"`
}

// declared is what the catalogue says of a job type that is no part of AsyncAPI.
type declared struct {
	Scope        string   `json:"scope"`
	Identity     []string `json:"identity"`
	IdentityMode string   `json:"identity_mode"`
	OnDuplicate  string   `json:"on_duplicate"`
	Cooldown     float64  `json:"cooldown_seconds,omitempty"`
}

type operation struct {
	Action   string      `json:"action"`
	Channel  reference   `json:"channel"`
	Summary  string      `json:"summary"`
	Messages []reference `json:"messages"`
}

type components struct {
	Parameters map[string]parameter `json:"parameters"`
	Messages   map[string]message   `json:"messages"`
	Schemas    map[string]any       `json:"schemas"`
}

type parameter struct {
	Description string   `json:"description"`
	Enum        []string `json:"enum,omitempty"`
	Examples    []string `json:"examples,omitempty"`
}

type message struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Summary     string `json:"summary"`
	ContentType string `json:"contentType"`
	Headers     any    `json:"headers"`
	Payload     any    `json:"payload"`
}

// reference is a JSON reference within the document.
type reference struct {
	Ref string `json:"$ref"`
}

// draft2020 is a schema that is not in AsyncAPI's own dialect, which is older.
type draft2020 struct {
	Format string `json:"schemaFormat"`
	Schema any    `json:"schema"`
}

func in2020(schema any) draft2020 {
	return draft2020{"application/schema+json;version=2020-12", schema}
}

// JSON returns the document as JSON, indented.
func JSON(doc *Document) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return nil, fmt.Errorf("write the AsyncAPI document: %w", err)
	}
	return text.Bytes(), nil
}

// YAML returns the document as YAML, with its members in the order that they have in JSON.
func YAML(doc *Document) ([]byte, error) {
	text, err := JSON(doc)
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil { // every JSON text is one of YAML
		return nil, fmt.Errorf("write the AsyncAPI document: %w", err)
	}
	unfold(&node)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return nil, fmt.Errorf("write the AsyncAPI document: %w", err)
	}
	return out.Bytes(), nil
}

// unfold takes the braces and quotes of JSON from a node, where YAML reads the same without them.
func unfold(node *yaml.Node) {
	node.Style = 0
	for _, part := range node.Content {
		unfold(part)
	}
}
