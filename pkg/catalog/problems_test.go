package catalog_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// job is a catalogue of one type, a.b, with more fields; they begin on line 6.
func job(fields string) string {
	return "version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: []\n" + indent(fields)
}

func schedule(fields string) string {
	return job("") + "schedules:\n  nightly:\n" + indent(fields)
}

func handler(fields string) string {
	return job("") + "handlers:\n  a.b:\n" + indent(fields)
}

func indent(fields string) string {
	var b strings.Builder
	for line := range strings.Lines(fields) {
		b.WriteString("    " + line)
	}
	return b.String() + "\n"
}

// schemaFiles are the schemas of these tests.
var schemaFiles = fstest.MapFS{
	"secret.json":   {Data: []byte(`{"properties": {"password": {"writeOnly": true}, "login": {"$ref": "#/$defs/login"}}, "$defs": {"login": {"properties": {"key": {"writeOnly": true}}}}}`)},
	"broken.json":   {Data: []byte(`{"type": "strin", "minLength": -1}`)},
	"nojson.json":   {Data: []byte(`{"type": `)},
	"old.json":      {Data: []byte(`{"$schema": "http://json-schema.org/draft-07/schema#"}`)},
	"outside.json":  {Data: []byte(`{"$ref": "https://example.com/schema.json"}`)},
	"dangling.json": {Data: []byte(`{"$ref": "none.json"}`)},
	"regex.json":    {Data: []byte(`{"pattern": "(?=a)"}`)},
	"full.json":     {Data: []byte(`{"required": ["full"]}`)},
}

var problemCases = map[string]struct{ text, want string }{
	// The file as a whole.
	"an empty file":               {"", `jobs.yaml:1: is empty: write version: 1 and the jobs`},
	"a file of comments":          {"# nothing\n---\n", `jobs.yaml:1: is empty: write version: 1 and the jobs`},
	"no YAML":                     {"version: 1\njobs: [", `jobs.yaml:2: not YAML: did not find expected node content`},
	"a tab":                       {"version: 1\njobs:\n\ta.b: {}", `jobs.yaml:3: not YAML: found character that cannot start any token`},
	"a list":                      {"- 1", `jobs.yaml:1: is of the wrong type: write a mapping of keys to values`},
	"two documents":               {"version: 1\n---\nversion: 1\n", `jobs.yaml:3: a second document begins here: a catalogue is one`},
	"no version":                  {"jobs: {}", `jobs.yaml:1: version: required: write version: 1`},
	"another version":             {"version: 2", `jobs.yaml:1: version: 2 is not known here: write 1`},
	"a version as text":           {`version: "1"`, `jobs.yaml:1: version: 1 is not known here: write 1`},
	"an unknown section":          {"version: 1\njob: {}", `jobs.yaml:2: job: is no key here: use handlers, jobs, schedules, version`},
	"a section of the wrong type": {"version: 1\njobs: [a.b]", `jobs.yaml:2: jobs: is of the wrong type: write a mapping of keys to values`},
	"an alias":                    {"version: 1\njobs:\n  a.b: &x {scope: tenant, identity: []}\n  a.c: *x", `jobs.yaml:4: jobs[a.c]: is an alias, which a catalogue does not follow: write the value out`},
	"a merge key":                 {job("<<: {timeout: 1m}"), `jobs.yaml:6: jobs[a.b].<<: the key is not text: quote it, or write a name`},

	// Keys and types of a job.
	"an unknown key":           {job("timout: 5m"), `jobs.yaml:6: jobs[a.b].timout: is no key here: use ce_type, cooldown, counts, expected_duration, identity, identity_mode, label, lease, on_duplicate, retry, schema, scope, stale_after, timeout`},
	"a duplicate key":          {job("timeout: 5m\nlease: 5s\ntimeout: 6m"), `jobs.yaml:8: jobs[a.b].timeout: is written twice, first on line 6: remove one`},
	"a duplicate job":          {job("") + "  a.b: {}", `jobs.yaml:7: jobs[a.b]: is written twice, first on line 3: remove one`},
	"a key that is no text":    {"version: 1\njobs:\n  1: {}", `jobs.yaml:3: jobs[1]: the key is not text: quote it, or write a name`},
	"a job that is no mapping": {"version: 1\njobs:\n  a.b: tenant", `jobs.yaml:3: jobs[a.b]: is of the wrong type: write a mapping of keys to values`},
	"a job that is empty":      {"version: 1\njobs:\n  a.b:", `jobs.yaml:3: jobs[a.b]: is empty: write a mapping of keys to values, or leave the key out`},
	"text that is a number":    {job("label: 5"), `jobs.yaml:6: jobs[a.b].label: 5 is not text: quote it`},
	"text that is empty":       {job(`label: ""`), `jobs.yaml:6: jobs[a.b].label: is empty: write text, or leave the key out`},
	"text that is a list":      {job("ce_type: [a]"), `jobs.yaml:6: jobs[a.b].ce_type: is of the wrong type: write text`},
	"a value left out":         {job("timeout:"), `jobs.yaml:6: jobs[a.b].timeout: is empty: write a duration, as in 30s, 15m or 2h, or leave the key out`},
	"a list that is text":      {job("counts: policies"), `jobs.yaml:6: jobs[a.b].counts: is of the wrong type: write a list`},
	"a list with a number":     {job("counts:\n  - policies\n  - 5"), `jobs.yaml:8: jobs[a.b].counts[1]: 5 is not text: quote it`},

	// Job types, scope and identity.
	"a job type in capitals":     {"version: 1\njobs:\n  A.b: {scope: tenant, identity: []}", `jobs.yaml:3: jobs[A.b]: "A.b" is no job type: write 2 to 6 words of a-z, 0-9 and _, joined by dots, at most 100 characters, as in assignments.fetch`},
	"a job type of one word":     {"version: 1\njobs:\n  fetch: {scope: tenant, identity: []}", `jobs.yaml:3: jobs[fetch]: "fetch" is no job type: write 2 to 6 words of a-z, 0-9 and _, joined by dots, at most 100 characters, as in assignments.fetch`},
	"a job type of seven words":  {"version: 1\njobs:\n  a.b.c.d.e.f.g: {scope: tenant, identity: []}", `jobs.yaml:3: jobs[a.b.c.d.e.f.g]: "a.b.c.d.e.f.g" is no job type: write 2 to 6 words of a-z, 0-9 and _, joined by dots, at most 100 characters, as in assignments.fetch`},
	"no scope":                   {"version: 1\njobs:\n  a.b:\n    identity: []", `jobs.yaml:3: jobs[a.b].scope: required: write tenant or workspace`},
	"an unknown scope":           {"version: 1\njobs:\n  a.b:\n    scope: global\n    identity: []", `jobs.yaml:4: jobs[a.b].scope: "global" is unknown: write tenant or workspace`},
	"no identity":                {"version: 1\njobs:\n  a.b:\n    scope: tenant", `jobs.yaml:3: jobs[a.b].identity: required: name the inputs that make two jobs the same; [] means one active run per scope and type`},
	"an identity that is empty":  {"version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity:", `jobs.yaml:5: jobs[a.b].identity: is empty: write a list, or leave the key out`},
	"an identity named twice":    {"version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: [x, y, x]", `jobs.yaml:5: jobs[a.b].identity[2]: "x" is named twice: remove one`},
	"an identity without a name": {"version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: ['']", `jobs.yaml:5: jobs[a.b].identity[0]: is empty or not UTF-8: write the name of the input`},
	"an unknown mode":            {job("identity_mode: always"), `jobs.yaml:6: jobs[a.b].identity_mode: "always" is unknown: write active, request or once`},
	"an unknown on_duplicate":    {job("on_duplicate: queue"), `jobs.yaml:6: jobs[a.b].on_duplicate: "queue" is unknown: write skip or follow_up`},
	"cooldown with follow_up":    {job("on_duplicate: follow_up\ncooldown: 5m"), `jobs.yaml:7: jobs[a.b].cooldown: cooldown and follow_up contradict each other, one drops the request that the other keeps: remove one`},
	"cooldown with mode request": {job("identity_mode: request\ncooldown: 5m"), `jobs.yaml:7: jobs[a.b].cooldown: has no effect in mode request, where no identity runs twice: remove it, or use mode active`},
	"follow_up with mode once":   {job("identity_mode: once\non_duplicate: follow_up"), `jobs.yaml:7: jobs[a.b].on_duplicate: follow_up has no effect in mode once, where no identity runs twice: remove it, or use mode active`},

	// Limits.
	"a duration without a unit": {job("timeout: 15"), `jobs.yaml:6: jobs[a.b].timeout: 15 has no unit: write ms, s, m or h after it, as in 15m`},
	"a duration in days":        {job("timeout: 1d"), `jobs.yaml:6: jobs[a.b].timeout: "1d" is no duration: write a number and ms, s, m or h, as in 1h30m`},
	"a negative duration":       {job("cooldown: -5m"), `jobs.yaml:6: jobs[a.b].cooldown: -5m is negative: write a duration of 0s or more`},
	"a duration of zero":        {job("timeout: 0s"), `jobs.yaml:6: jobs[a.b].timeout: must be longer than 0: write a duration, as in 15m, or leave the key out`},
	"a duration as a list":      {job("lease: [1s]"), `jobs.yaml:6: jobs[a.b].lease: is of the wrong type: write a duration, as in 30s, 15m or 2h`},
	"a lease that is too short": {job("lease: 2s"), `jobs.yaml:6: jobs[a.b].lease: 2s is too short: use 3s to 10m`},
	"a lease that is too long":  {job("lease: 11m"), `jobs.yaml:6: jobs[a.b].lease: 11m is too long: use 3s to 10m`},
	"a timeout of ages":         {job("timeout: 10000h"), "jobs.yaml:3: jobs[a.b].expected_duration: 10000h is too long: use 1ms to 8760h\n" + `jobs.yaml:6: jobs[a.b].timeout: 10000h is too long: use 1ms to 8760h`},
	"no attempts":               {job("retry: {max_attempts: 0}"), `jobs.yaml:6: jobs[a.b].retry.max_attempts: "0" is no whole number of 1 or more`},
	"half an attempt":           {job("retry: {max_attempts: 1.5}"), `jobs.yaml:6: jobs[a.b].retry.max_attempts: "1.5" is no whole number of 1 or more`},
	"too many attempts":         {job("retry: {max_attempts: 1001}"), `jobs.yaml:6: jobs[a.b].retry.max_attempts: 1001 is out of range: use 1 to 1000`},
	"a retry that shrinks":      {job("retry:\n  initial: 10m"), `jobs.yaml:6: jobs[a.b].retry.max: 5m is too short: use 10m to 8760h`},
	"an unknown retry key":      {job("retry: {attempts: 3}"), `jobs.yaml:6: jobs[a.b].retry.attempts: is no key here: use initial, max, max_attempts`},
	"an unknown stale key":      {job("stale_after: {run: 5m}"), `jobs.yaml:6: jobs[a.b].stale_after.run: is no key here: use queued, running`},
	"a count in capitals":       {job("counts: [Policies]"), `jobs.yaml:6: jobs[a.b].counts[0]: "Policies" is no summary key: write a-z, 0-9 and _, beginning with a letter`},
	"an alias used twice":       {job("ce_type: com.example.a") + "  a.c: {scope: tenant, identity: [], ce_type: com.example.a}", `jobs.yaml:7: jobs[a.c].ce_type: "com.example.a" is the alias of a.b already: choose another`},
	"an alias that is a type":   {job("ce_type: a.c") + "  a.c: {scope: tenant, identity: []}", `jobs.yaml:6: jobs[a.b].ce_type: "a.c" is a job type of its own: choose another alias`},

	// Schemas.
	"a schema that is missing":      {job("schema: none.json"), `jobs.yaml:6: jobs[a.b].schema: none.json does not exist: add the file, or mend the path`},
	"a schema outside":              {job("schema: ../secret.json"), `jobs.yaml:6: jobs[a.b].schema: "../secret.json" is no path below the catalogue's folder: write it with / and without .. or a leading /`},
	"a schema that is no JSON":      {job("schema: nojson.json"), `jobs.yaml:6: jobs[a.b].schema: nojson.json cannot be read: unexpected EOF`},
	"a schema that is none":         {job("schema: broken.json"), `jobs.yaml:6: jobs[a.b].schema: broken.json is no JSON Schema 2020-12: /minLength: minimum; /type: anyOf`},
	"a schema of another draft":     {job("schema: old.json"), `jobs.yaml:6: jobs[a.b].schema: old.json is of draft 7: write it for 2020-12`},
	"a schema that refers outside":  {job("schema: outside.json"), `jobs.yaml:6: jobs[a.b].schema: https://example.com/schema.json cannot be read: is not a file of this catalogue`},
	"a schema that refers nowhere":  {job("schema: dangling.json"), `jobs.yaml:6: jobs[a.b].schema: none.json does not exist: add the file, or mend the path`},
	"a pattern that Go cannot read": {job("schema: regex.json"), `jobs.yaml:6: jobs[a.b].schema: regex.json is no JSON Schema 2020-12: /pattern: format regex`},
	"a secret in the identity":      {"version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: [user, password]\n    schema: secret.json", `jobs.yaml:5: jobs[a.b].identity[1]: "password" is writeOnly in secret.json: a secret is no part of an identity, remove it here`},
	"a secret within the identity":  {"version: 1\njobs:\n  a.b:\n    scope: tenant\n    identity: [login]\n    schema: secret.json", `jobs.yaml:5: jobs[a.b].identity[0]: "login" is writeOnly in secret.json: a secret is no part of an identity, remove it here`},

	// Schedules.
	"a schedule without a type":      {schedule(`cron: "0 3 * * *"`), `jobs.yaml:8: schedules[nightly].type: required: name a job type`},
	"a schedule of no declared type": {schedule("type: a.c\ncron: \"0 3 * * *\""), `jobs.yaml:9: schedules[nightly].type: "a.c" is not declared: add it under jobs, or mend the name`},
	"a schedule without a cron":      {schedule("type: a.b"), `jobs.yaml:8: schedules[nightly].cron: required: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},
	"a cron of six fields":           {schedule("type: a.b\ncron: 0 0 3 * * *"), `jobs.yaml:10: schedules[nightly].cron: "0 0 3 * * *" is not five fields: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},
	"a cron out of range":            {schedule("type: a.b\ncron: 60 3 * * *"), `jobs.yaml:10: schedules[nightly].cron: "60 3 * * *": end of range (60) above maximum (59): 60: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},
	"a cron with a time zone":        {schedule("type: a.b\ncron: \"TZ=UTC\\t1\\t2\\t3\\t4\""), `jobs.yaml:10: schedules[nightly].cron: "TZ=UTC\t1\t2\t3\t4" is not five fields: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},
	"a cron by name":                 {schedule("type: a.b\ncron: \"@daily\""), `jobs.yaml:10: schedules[nightly].cron: "@daily" is not five fields: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},
	"a cron that never fires":        {schedule("type: a.b\ncron: 0 0 30 2 *"), `jobs.yaml:10: schedules[nightly].cron: "0 0 30 2 *" never fires: there is no such day`},
	"every half second":              {schedule("type: a.b\ncron: \"@every 500ms\""), `jobs.yaml:10: schedules[nightly].cron: @every 500ms: write whole seconds, 1s to 8760h, as in @every 10m`},
	"every so often":                 {schedule("type: a.b\ncron: \"@every day\""), `jobs.yaml:10: schedules[nightly].cron: @every day: write whole seconds, 1s to 8760h, as in @every 10m`},
	"every in a time zone":           {schedule("type: a.b\ncron: \"@every 1h\"\ntime_zone: UTC"), `jobs.yaml:11: schedules[nightly].time_zone: has no meaning with @every: remove it`},
	"a time zone that is none":       {schedule("type: a.b\ncron: 0 3 * * *\ntime_zone: Europe/Springfield"), `jobs.yaml:11: schedules[nightly].time_zone: "Europe/Springfield" is no time zone known here: use an IANA name, as in Europe/Berlin`},
	"the machine's time zone":        {schedule("type: a.b\ncron: 0 3 * * *\ntime_zone: Local"), `jobs.yaml:11: schedules[nightly].time_zone: "Local" is not the same on every machine: use an IANA name, as in Europe/Berlin`},
	"an input that is a list":        {schedule("type: a.b\ncron: 0 3 * * *\ninput: [1]"), `jobs.yaml:11: schedules[nightly].input: is of the wrong type: write a mapping, as in {full: true}`},
	"an input JSON cannot say":       {schedule("type: a.b\ncron: 0 3 * * *\ninput:\n  a: 1\n  b: [.inf]"), `jobs.yaml:13: schedules[nightly].input.b[0]: ".inf" has no form in JSON: quote it as text`},
	"an input of bytes":              {schedule("type: a.b\ncron: 0 3 * * *\ninput: {a: !!binary aGk=}"), `jobs.yaml:11: schedules[nightly].input.a: !!binary has no form in JSON: quote it as text`},
	"an input with an alias":         {schedule("type: a.b\ncron: 0 3 * * *\ninput: {a: &x 1, b: *x}"), `jobs.yaml:11: schedules[nightly].input.b: is an alias, which a catalogue does not follow: write the value out`},
	"an input written twice":         {schedule("type: a.b\ncron: 0 3 * * *\ninput: {a: 1, a: 2}"), `jobs.yaml:11: schedules[nightly].input.a: is written twice, first on line 11: remove one`},
	"an input of the wrong shape":    {strings.Replace(schedule("type: a.b\ncron: 0 3 * * *\ninput: {}"), "identity: []", "identity: []\n    schema: full.json", 1), `jobs.yaml:12: schedules[nightly].input: input breaks full.json: (the whole): required: full`},
	"a schedule with a bad name":     {job("") + "schedules: {Nightly: {type: a.b, cron: 0 3 * * *}}", `jobs.yaml:7: schedules[Nightly]: "Nightly" is no name: write words of a-z, 0-9 and _, joined by dots, at most 100 characters`},

	// What is built in.
	"a built-in job type":                     {"version: 1\njobs:\n  ops.delete_expired_runs:\n    scope: galaxy\n    schema: none.json", "jobs.yaml:3: jobs[ops.delete_expired_runs]: is built in: remove it; how often it runs can be said under schedules, by the same name\n" + `jobs.yaml:4: jobs[ops.delete_expired_runs].scope: "galaxy" is unknown: write tenant or workspace`},
	"an alias that is a built-in type":        {job("ce_type: ops.reconcile_adapter_runs"), `jobs.yaml:6: jobs[a.b].ce_type: "ops.reconcile_adapter_runs" is a job type of its own: choose another alias`},
	"a handler for a built-in type":           {"version: 1\nhandlers:\n  ops.reconcile_adapter_runs: {exec: [./run]}", `jobs.yaml:3: handlers[ops.reconcile_adapter_runs]: is built in, the worker has its handler: remove it`},
	"a built-in schedule of another type":     {job("") + "schedules:\n  ops.delete_expired_runs:\n    type: a.b\n    cron: 0 3 * * *", `jobs.yaml:9: schedules[ops.delete_expired_runs].type: "a.b" takes the place of the built-in schedule of this name: write ops.delete_expired_runs, or choose another name`},
	"a built-in schedule without a type":      {"version: 1\nschedules:\n  ops.delete_expired_runs:\n    cron: 0 3 * * *", `jobs.yaml:3: schedules[ops.delete_expired_runs].type: required: name a job type`},
	"a built-in schedule with a broken input": {"version: 1\nschedules:\n  ops.delete_expired_runs:\n    type: ops.delete_expired_runs\n    cron: 0 3 * * *\n    input: {limit: 0}", `jobs.yaml:6: schedules[ops.delete_expired_runs].input: input breaks builtin/ops.delete_expired_runs.json: /limit: minimum`},
	"another schedule of a built-in type":     {"version: 1\nschedules:\n  nightly:\n    type: ops.delete_expired_runs\n    cron: 0 25 * * *", `jobs.yaml:5: schedules[nightly].cron: "0 25 * * *": end of range (25) above maximum (23): 25: write minute, hour, day of month, month and day of week, as in "0 3 * * *", or @every 10m`},

	// Handlers.
	"a handler of no declared type": {job("") + "handlers: {a.c: {exec: [./run]}}", `jobs.yaml:7: handlers[a.c]: "a.c" is not declared: add it under jobs, or mend the name`},
	"both http and exec":            {handler("http: http://localhost/\nexec: [./run]"), `jobs.yaml:8: handlers[a.b]: has both http and exec: remove one`},
	"neither http nor exec":         {handler("concurrency: 4"), `jobs.yaml:8: handlers[a.b]: has neither http nor exec: add one`},
	"exec without a command":        {handler("exec: []"), `jobs.yaml:8: handlers[a.b]: has neither http nor exec: add one`},
	"exec with an empty command":    {handler("exec: ['', x]"), `jobs.yaml:9: handlers[a.b].exec[0]: is empty: write the command`},
	"a bearer for exec":             {handler("exec: [./run]\nbearer_env: TOKEN"), `jobs.yaml:10: handlers[a.b].bearer_env: has a meaning with http only: remove it`},
	"a bearer that is a token":      {handler("http: http://localhost/\nbearer_env: abc-123"), `jobs.yaml:10: handlers[a.b].bearer_env: is no name of an environment variable: name the one that holds the token, and do not write the token`},
	"an address without a host":     {handler("http: localhost:9000/fetch"), `jobs.yaml:9: handlers[a.b].http: is no address: write http://host/path or https://host/path`},
	"a malformed variable":          {handler("http: \"http://${HOST/\""), `jobs.yaml:9: handlers[a.b].http: "${HOST/" is no variable: write ${NAME}`},
	"no concurrency":                {handler("exec: [./run]\nconcurrency: 0"), `jobs.yaml:10: handlers[a.b].concurrency: "0" is no whole number of 1 or more`},
	"too much concurrency":          {handler("exec: [./run]\nconcurrency: 65537"), `jobs.yaml:10: handlers[a.b].concurrency: 65537 is out of range: use 1 to 65536`},
	"an unknown handler key":        {handler("grpc: localhost"), "jobs.yaml:8: handlers[a.b]: has neither http nor exec: add one\n" + `jobs.yaml:9: handlers[a.b].grpc: is no key here: use bearer_env, concurrency, exec, http`},
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range problemCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := catalog.Parse("jobs.yaml", []byte(c.text), schemaFiles)
			if err == nil {
				t.Fatalf("no error for\n%s", c.text)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s\nfor\n%s", diff, c.text)
			}
		})
	}
}

func TestAllProblemsOfAFileAreNamedAtOnceInItsOrder(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/wrong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Parse("wrong.yaml", data, schemaFiles)
	var problems catalog.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error is %v", err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), problems.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblemsOfAGoCatalogueNameTheField(t *testing.T) {
	t.Parallel()
	_, err := catalog.New(catalog.Catalog{
		Jobs: map[string]catalog.Job{
			"a.b":                     {Lease: 1, Retry: catalog.Retry{MaxAttempts: -1}, IdentityMode: dedupe.Mode(9), OnDuplicate: catalog.OnDuplicate(9)},
			"a.c":                     {ScopeKind: dedupe.TenantScope, Identity: []string{"\xff"}, Schema: "none.json", Cooldown: -1},
			"ops.delete_expired_runs": {ScopeKind: dedupe.WorkspaceScope},
		},
		Schedules: map[string]catalog.Schedule{"n": {Type: "a.b", Cron: "* * * * *", Input: []byte(`[]`)}},
		Handlers:  map[string]catalog.Handler{"a.b": {Exec: []string{"x\x00"}, Concurrency: -1}},
	}, nil)
	want := `handlers[a.b].concurrency: -1 is out of range: use 1 to 65536
handlers[a.b].exec: holds a NUL byte, which no command takes: remove it
jobs[a.b].identity: required: name the inputs that make two jobs the same; [] means one active run per scope and type
jobs[a.b].identity_mode: mode 9 is unknown: use active, request or once
jobs[a.b].lease: 1ns is too short: use 3s to 10m
jobs[a.b].on_duplicate: on_duplicate 9 is unknown: use skip or follow_up
jobs[a.b].retry.max_attempts: -1 is out of range: use 1 to 1000
jobs[a.b].scope: required: write tenant or workspace
jobs[a.c].cooldown: -1ns is too short: use 0s to 8760h
jobs[a.c].identity[0]: is empty or not UTF-8: write the name of the input
jobs[a.c].schema: none.json does not exist: add the file, or mend the path
jobs[ops.delete_expired_runs]: is built in: remove it; how often it runs can be said under schedules, by the same name
schedules[n].input: is no JSON object: write one, as in {}`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
