package catalog

import (
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Handler says how a job type is run outside the process: by an HTTP request or by a command. Only consumers read
// it. Its texts may hold ${VAR}; see [Handler.Expand].
type Handler struct {
	HTTP      string   // the address that the input is posted to
	BearerEnv string   // with HTTP: the name of the environment variable that holds the bearer token; default none
	Exec      []string // the command and its arguments

	Concurrency int // how many run at once in a process; default 128 for HTTP, twice the CPUs for Exec

	jobType string
	source  source
}

// maxConcurrency is how many unacknowledged messages the stream hands out: no process can run more.
const maxConcurrency = 65_536

// Expand replaces each ${NAME} in the handler's address, command and token name by what lookup (os.LookupEnv) says.
// It is the consumer that expands, and only what it runs: a publisher reads the same catalogue without these
// variables. A variable that is not set is an error, and so is a handler that then has no good address or command.
func (h Handler) Expand(lookup func(name string) (string, bool)) (Handler, error) {
	r := &report{source: h.source}
	at := entry("handlers", h.jobType)
	expand := func(field, text string) string { return r.expand(at+field, text, lookup) }
	h.HTTP = expand(".http", h.HTTP)
	h.BearerEnv = expand(".bearer_env", h.BearerEnv)
	h.Exec = slices.Clone(h.Exec)
	for i := range h.Exec {
		h.Exec[i] = expand(".exec", h.Exec[i])
	}
	if _, ok := lookup(h.BearerEnv); h.BearerEnv != "" && !ok {
		r.breaks(at+".bearer_env", "the environment variable %s is not set: set it to the token", h.BearerEnv)
	}
	if len(r.problems) == 0 {
		r.target(at, h)
	}
	return h, r.err()
}

var (
	variable = regexp.MustCompile(`\$\{([^}]*)\}?`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (r *report) expand(at, text string, lookup func(string) (string, bool)) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		value, ok := lookup(variableName(found))
		if !ok {
			r.breaks(at, "the environment variable %s is not set: set it", variableName(found))
		}
		return value
	})
}

// variableName returns the NAME of ${NAME}, or nothing when it is not of that form.
func variableName(found string) string {
	name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
	if !closed || !envName.MatchString(name) {
		return ""
	}
	return name
}

// handler checks one declaration and completes it.
func (r *report) handler(jobType string, h Handler, jobs map[string]Job) Handler {
	at := entry("handlers", jobType)
	if _, ok := jobs[jobType]; !ok {
		r.add(at, "%.100q is not declared: add it under jobs, or mend the name", jobType)
	}
	r.kind(at, h)
	if h.Concurrency < 0 || h.Concurrency > maxConcurrency {
		r.breaks(at+".concurrency", "%d is out of range: use 1 to %d", h.Concurrency, maxConcurrency)
	}
	r.variables(at+".http", h.HTTP)
	r.variables(at+".bearer_env", h.BearerEnv)
	r.variables(at+".exec", h.Exec...)
	if !strings.Contains(h.HTTP+strings.Join(h.Exec, "")+h.BearerEnv, "${") {
		r.target(at, h)
	}
	return h.withDefaults(jobType, r.source)
}

// kind checks that a handler is of exactly one kind.
func (r *report) kind(at string, h Handler) {
	switch isHTTP, isExec := h.HTTP != "", len(h.Exec) > 0; {
	case isHTTP && isExec:
		r.breaks(at, "has both http and exec: remove one")
	case !isHTTP && !isExec:
		r.breaks(at, "has neither http nor exec: add one")
	}
	if h.BearerEnv != "" && h.HTTP == "" {
		r.breaks(at+".bearer_env", "has a meaning with http only: remove it")
	}
}

// withDefaults is the one place where a handler's defaults are set.
func (h Handler) withDefaults(jobType string, written source) Handler {
	concurrency := 128
	if len(h.Exec) > 0 {
		concurrency = 2 * runtime.GOMAXPROCS(0)
	}
	orDefault(&h.Concurrency, concurrency)
	h.jobType, h.source = jobType, written
	return h
}

// variables checks the form of each ${NAME}, whoever reads the catalogue.
func (r *report) variables(at string, texts ...string) {
	for _, text := range texts {
		for _, found := range variable.FindAllString(text, -1) {
			if variableName(found) == "" {
				r.breaks(at, "%.100q is no variable: write ${NAME}", found)
			}
		}
	}
}

// target checks what a handler without variables leads to.
func (r *report) target(at string, h Handler) {
	if h.HTTP != "" && !isAddress(h.HTTP) {
		r.breaks(at+".http", "is no address: write http://host/path or https://host/path")
	}
	if h.BearerEnv != "" && !envName.MatchString(h.BearerEnv) {
		r.breaks(at+".bearer_env", "is no name of an environment variable: name the one that holds the token, and do not write the token")
	}
	if len(h.Exec) > 0 && h.Exec[0] == "" {
		r.breaks(at+".exec[0]", "is empty: write the command")
	}
	for _, arg := range h.Exec {
		if strings.ContainsRune(arg, 0) {
			r.breaks(at+".exec", "holds a NUL byte, which no command takes: remove it")
		}
	}
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}
