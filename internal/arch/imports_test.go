package arch

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// row is what one package may import: ours, and with each of them whatever that one may import of ours, because
// arrows go down any number of floors; and third parties by module, which are not passed on.
type row struct{ ours, third []string }

// The modules of the plan, by what they are called there.
const (
	uuid       = "github.com/google/uuid"
	rfc8785    = "github.com/go-json-experiment/json"
	natsGo     = "github.com/nats-io/nats.go"
	natsServer = "github.com/nats-io/nats-server/v2"
	pgx        = "github.com/jackc/pgx/v5"
	prometheus = "github.com/prometheus/client_golang"
	clientData = "github.com/prometheus/client_model" // the samples that client_golang hands out
	yaml       = "go.yaml.in/yaml/v3"
	jsonSchema = "github.com/santhosh-tekuri/jsonschema/v6"
	cron       = "github.com/robfig/cron/v3"
	tint       = "github.com/lmittmann/tint"
	kong       = "github.com/alecthomas/kong"
	otel       = "go.opentelemetry.io/otel" // all of it; its API, which libraries may use, is below these:
	traces     = otel + "/trace"
	traceAttr  = otel + "/attribute"
	traceCodes = otel + "/codes"
	traceWire  = otel + "/propagation"
	tracePgx   = "github.com/exaring/otelpgx"
	zstd       = "github.com/klauspost/compress"
)

// plan is the map of the house (docs/architecture.md) for files that are not tests. A package without a row may not
// exist: a new one needs a sentence that no other can claim. Ids are UUIDs in the signatures below pkg/jobs, so who
// uses those may name the type.
var plan = map[string]row{
	"pkg/dedupe":        {nil, []string{uuid, rfc8785}},
	"pkg/events":        {[]string{"pkg/dedupe"}, []string{natsGo, uuid, rfc8785, traces, traceAttr, traceCodes, traceWire, zstd}},
	"pkg/oprun":         {[]string{"pkg/dedupe", "migrations", "internal/failpoint"}, []string{pgx, uuid}},
	"pkg/catalog":       {[]string{"pkg/dedupe"}, []string{yaml, jsonSchema, cron}},
	"pkg/jobs":          {[]string{"pkg/events", "pkg/oprun", "pkg/catalog", "internal/failpoint", "internal/rig"}, []string{natsGo, pgx, prometheus, uuid, traces, traceAttr, traceCodes}},
	"pkg/jobs/jobstest": {[]string{"pkg/jobs", "internal/devstack"}, []string{natsGo, pgx, uuid}},
	"internal/remote":   {[]string{"pkg/jobs"}, nil},
	"internal/admin":    {[]string{"pkg/oprun", "pkg/catalog"}, []string{prometheus, clientData, uuid}},
	"internal/proc":     {[]string{"pkg/oprun"}, []string{natsGo, pgx, tint, kong, uuid}},
	"internal/otlp":     {[]string{"internal/proc"}, []string{otel}},
	"internal/bulk":     {[]string{"pkg/events", "pkg/catalog"}, []string{uuid, rfc8785}},
	"internal/load":     {[]string{"internal/bulk", "pkg/oprun"}, []string{natsGo, uuid}},
	"internal/devstack": {[]string{"migrations"}, []string{natsServer, natsGo, pgx}},
	"internal/demo":     {[]string{"internal/devstack", "internal/remote", "pkg/jobs"}, []string{natsGo, pgx, prometheus, uuid}},
	"internal/torture":  {[]string{"internal/devstack", "pkg/jobs"}, []string{natsGo, pgx, prometheus, uuid}},
	"internal/replay":   {[]string{"pkg/events", "pkg/oprun"}, []string{natsGo, uuid}},
	"internal/asyncapi": {[]string{"pkg/oprun", "pkg/events", "pkg/catalog"}, []string{yaml}},
	"internal/arch":     {nil, nil},
	"internal/model":    {nil, nil}, // the protocol from its description: it shares no code with what it judges
	"migrations":        {nil, []string{pgx}},

	"internal/failpoint": {nil, nil},
	"internal/rig":       {[]string{"pkg/oprun"}, []string{pgx, uuid}},
	"internal/crash":     {nil, nil}, // tests only
	"internal/promtest":  {nil, nil}, // tests only
	"internal/foreign":   {nil, nil}, // tests only

	"internal/deploytest": {nil, nil}, // tests only

	"cmd/consumer":  {[]string{"internal/admin", "internal/remote", "internal/otlp", "internal/proc", "pkg/jobs", "migrations"}, []string{kong, natsGo, pgx, prometheus, uuid, traces, tracePgx}},
	"cmd/publisher": {[]string{"internal/asyncapi", "internal/bulk", "internal/load", "internal/otlp", "internal/proc", "internal/replay", "pkg/jobs"}, []string{kong, natsGo, pgx, uuid, traces}},
	"cmd/dev":       {[]string{"internal/demo", "internal/torture", "internal/proc"}, []string{kong, natsGo, pgx}},
}

// testOnly are the modules that check the house and are no part of it.
var testOnly = []string{
	natsServer, "github.com/google/go-cmp", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/rogpeppe/go-internal",
	"github.com/anishathalye/porcupine", "github.com/Shopify/toxiproxy", "github.com/chromedp/chromedp", "k8s.io", "sigs.k8s.io/yaml",
	"github.com/cloudevents/sdk-go",
}

func TestImportsFollowThePlan(t *testing.T) {
	t.Parallel()
	strangers := map[string]bool{}
	for _, s := range sources(t) {
		allowed, ok := plan[s.dir]
		if !ok {
			strangers[s.dir] = true
			continue
		}
		if s.test {
			continue
		}
		for _, imported := range s.imports() {
			checkImport(t, s, allowed, imported)
		}
	}
	for dir := range strangers {
		t.Errorf("%s: this package is not in the plan: put its code where the plan has a place for it, or give it a row here and a sentence in docs/architecture.md", dir)
	}
}

func checkImport(t *testing.T, s source, allowed row, imported string) {
	t.Helper()
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isStandard(imported):
	case isOurs:
		if !reachable(s.dir)[ours] {
			t.Errorf("%s: %s imports %s, and no arrow of the plan leads there: it may import %s", s.path, s.dir, ours, list(maps.Keys(reachable(s.dir))))
		}
	case slices.ContainsFunc(allowed.third, within(imported)):
	case slices.ContainsFunc(testOnly, within(imported)):
		if s.dir != "internal/devstack" {
			t.Errorf("%s: %s is for tests: import it in a _test.go file, or in internal/devstack, which shipped binaries do not link", s.path, imported)
		}
	default:
		t.Errorf("%s: %s may not import %s: of others the plan gives it %s", s.path, s.dir, imported, list(slices.Values(allowed.third)))
	}
}

// reachable returns the packages of ours that the plan's arrows lead to.
func reachable(from string) map[string]bool {
	found := map[string]bool{}
	for _, next := range plan[from].ours {
		found[next] = true
		maps.Copy(found, reachable(next))
	}
	return found
}

func list(names func(func(string) bool)) string {
	sorted := slices.Sorted(names)
	if len(sorted) == 0 {
		return "nothing"
	}
	return strings.Join(sorted, ", ")
}

// within reports whether an import path is of a module.
func within(imported string) func(module string) bool {
	return func(module string) bool {
		return imported == module || strings.HasPrefix(imported, module+"/")
	}
}

// isStandard tells the standard library by its first element, which has no dot.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// Arrows never lead up: a cycle in the plan would make every check above worthless.
func TestPlanHasNoCycle(t *testing.T) {
	t.Parallel()
	visiting := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if visiting[dir] {
			t.Fatalf("the plan has a cycle through %s", dir)
		}
		visiting[dir] = true
		for _, next := range plan[dir].ours {
			if _, ok := plan[next]; !ok {
				t.Errorf("%s may import %s, which has no row", dir, next)
			}
			visit(next)
		}
		delete(visiting, dir)
	}
	for dir := range plan {
		visit(dir)
	}
}

// What a program links is what its imports import, all the way down. These are promises to those who deploy it.
var links = []struct {
	from    string
	never   []string
	because string
}{
	{"cmd/consumer", []string{module + "/internal/devstack", natsServer, module + "/pkg/jobs/jobstest"}, "a shipped binary holds no embedded server, and no bench"},
	{"cmd/publisher", []string{module + "/internal/devstack", natsServer, module + "/pkg/jobs/jobstest"}, "a shipped binary holds no embedded server, and no bench"},
	{"pkg/events", []string{pgx, prometheus}, "a program that only publishes links no database and no metrics"},
	{"pkg/catalog", []string{pgx, prometheus}, "a program that only publishes links no database and no metrics"},
	{"pkg/jobs", []string{otel + "/sdk", otel + "/exporters"}, "a program chooses for itself how its spans get out"},
	{"pkg/dedupe", []string{pgx, prometheus, natsGo}, "sameness is pure"},
}

func TestProgramsDoNotLinkWhatTheyMustNot(t *testing.T) {
	t.Parallel()
	sources(t) // so that the cache of this test knows every file the go command reads
	for _, name := range []string{"go.mod", "go.sum"} {
		if _, err := os.ReadFile(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range links {
		t.Run(link.from, func(t *testing.T) {
			t.Parallel()
			for _, dep := range dependencies(t, link.from) {
				if slices.ContainsFunc(link.never, within(dep)) {
					t.Errorf("%s links %s, but %s: find the way with `go mod why -m` and cut it", link.from, dep, link.because)
				}
			}
		})
	}
}

func dependencies(t *testing.T, dir string) []string {
	t.Helper()
	if found, _ := filepath.Glob(filepath.Join(root, dir, "*.go")); len(found) == 0 {
		t.Skipf("%s does not exist yet", dir)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "./"+dir)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps ./%s: %v", dir, err)
	}
	return strings.Fields(string(out))
}
