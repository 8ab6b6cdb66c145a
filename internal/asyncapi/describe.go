package asyncapi

import (
	"fmt"
	"strings"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// The names of components that are not named after a job type: none of them could be one.
const (
	jobHeaders   = "JobHeaders"
	eventHeaders = "CloudEventHeaders"
	eventContent = "CloudEventContent"
	traceHeaders = "TraceHeaders"
	runSchema    = "Run"
	runEnded     = "RunEnded"
	outcome      = "outcome"
)

// Describe returns the document of a catalogue that [catalog.New], Parse or Load has made, with the built-in types, and
// with subjects that begin with the prefixes of these.
func Describe(c *catalog.Catalog, subjects events.Subjects) *Document {
	doc := &Document{
		AsyncAPI: "3.0.0",
		Info: info{Title: "Background jobs", Version: events.WireVersion + ".0.0", Description: "Jobs on NATS JetStream, run by oprun. " +
			"Publish with an acknowledgement: a job is accepted when the stream has it. Every header is optional, and read whatever the case of its letters. A body is one JSON object of at most " +
			fmt.Sprintf("%d KiB, %d levels deep, in which no object has a name twice.", events.MaxInputBytes>>10, events.MaxInputDepth)},
		DefaultContentType: "application/json",
		Channels:           map[string]channel{}, Operations: map[string]operation{},
		Components: components{Parameters: parameters(), Messages: map[string]message{}, Schemas: sharedSchemas()},
	}
	doc.Components.Messages[runEnded] = message{
		Name: runEnded, Title: "A run has ended", Summary: "The run as it ended, told after the commit, at most once, where somebody listens",
		ContentType: "application/json", Headers: schemaRef(traceHeaders), Payload: schemaRef(runSchema),
	}
	for jobType, job := range c.Jobs {
		doc.job(jobType, job, subjects)
		doc.ended(jobType, job, subjects)
	}
	return doc
}

// job adds what is received: a job in each of its three forms.
func (doc *Document) job(jobType string, job catalog.Job, subjects events.Subjects) {
	doc.Components.Schemas[jobType] = input(jobType, job)
	doc.Components.Schemas[jobType+"-cloudevent"] = cloudEvent(jobType, job)
	forms := map[string]message{
		"": {
			Summary: "The input, as it is", ContentType: "application/json",
			Headers: schemaRef(jobHeaders), Payload: schemaRef(jobType),
		},
		"-cloudevent-binary": {
			Summary: "The input, with the attributes of a CloudEvent in headers", ContentType: "application/json",
			Headers: allOf(schemaRef(jobHeaders), schemaRef(eventHeaders), object{"properties": object{"ce-type": ceType(jobType, job)}}), Payload: schemaRef(jobType),
		},
		"-cloudevent-structured": {
			Summary: "A CloudEvent whose data is the input", ContentType: "application/cloudevents+json",
			Headers: allOf(schemaRef(jobHeaders), schemaRef(eventContent)), Payload: schemaRef(jobType + "-cloudevent"),
		},
	}
	messages := map[string]reference{}
	for form, m := range forms {
		name := jobType + form
		m.Name, m.Title = name, job.Label
		doc.Components.Messages[name], messages[name] = m, reference{"#/components/messages/" + name}
	}
	doc.Channels[jobType] = channel{
		Address: address(job.ScopeKind, func(s dedupe.Scope) string { return subjects.Subject(s, jobType) }), Title: job.Label, Description: sameness(job),
		Parameters: scopeParameter(job.ScopeKind), Messages: messages, Declared: declaredOf(job),
	}
	doc.Operations[jobType] = operation{
		Action: "receive", Channel: reference{"#/channels/" + jobType}, Summary: "Run: " + job.Label,
		Messages: []reference{
			onChannel(jobType, jobType), onChannel(jobType, jobType+"-cloudevent-binary"), onChannel(jobType, jobType+"-cloudevent-structured"),
		},
	}
}

// ended adds what is sent when a run of the type has ended.
func (doc *Document) ended(jobType string, job catalog.Job, subjects events.Subjects) {
	name, of := jobType+"-ended", scopeParameter(job.ScopeKind)
	of[outcome] = parameterRef(outcome)
	doc.Channels[name] = channel{
		Address:     address(job.ScopeKind, func(s dedupe.Scope) string { return subjects.Terminal("{"+outcome+"}", s, jobType) }),
		Title:       job.Label + ": ended",
		Description: "On core NATS, at most once: a hint and no record. Whoever must know of every end reads the ledger.",
		Parameters:  of, Messages: map[string]reference{runEnded: {"#/components/messages/" + runEnded}},
	}
	doc.Operations[name] = operation{
		Action: "send", Channel: reference{"#/channels/" + name}, Summary: "Tell that a run has ended: " + job.Label,
		Messages: []reference{onChannel(name, runEnded)},
	}
}

// address is a subject with a parameter where the id of the scope stands.
func address(kind dedupe.ScopeKind, subject func(dedupe.Scope) string) string {
	anybody := dedupe.Scope{Kind: kind}
	return strings.Replace(subject(anybody), anybody.String(), kind.String()+".{"+idParameter(kind)+"}", 1)
}

func idParameter(kind dedupe.ScopeKind) string { return kind.String() + "_id" }

func scopeParameter(kind dedupe.ScopeKind) map[string]reference {
	return map[string]reference{idParameter(kind): parameterRef(idParameter(kind))}
}

func parameters() map[string]parameter {
	outcomes := []string{}
	for _, o := range oprun.Outcomes() {
		outcomes = append(outcomes, string(o))
	}
	example := []string{"6f9619ff-8b86-4d01-b42d-00c04fc964ff"}
	return map[string]parameter{
		idParameter(dedupe.TenantScope):    {Description: "The tenant's external id, a UUID in lower case", Examples: example},
		idParameter(dedupe.WorkspaceScope): {Description: "The workspace's id, a UUID in lower case", Examples: example},
		outcome:                            {Description: "How the run ended", Enum: outcomes},
	}
}

func declaredOf(job catalog.Job) *declared {
	return &declared{
		Scope: job.ScopeKind.String(), Identity: job.Identity, IdentityMode: job.IdentityMode.String(), OnDuplicate: job.OnDuplicate.String(),
		Cooldown: job.Cooldown.Seconds(),
	}
}

// sameness says in words which jobs are the same.
func sameness(job catalog.Job) string {
	by := "its " + job.ScopeKind.String() + " and type"
	if len(job.Identity) > 0 {
		by += ", and these fields of the input: " + strings.Join(job.Identity, ", ")
	}
	switch job.IdentityMode {
	case dedupe.RequestMode:
		return "Every request is a run of its own; one that is repeated, with the same Oprun-Request-Id, is not."
	case dedupe.OnceMode:
		return "A job runs once. What makes it the same is " + by + "."
	case dedupe.ActiveMode:
	}
	if job.OnDuplicate == catalog.FollowUp {
		return "While a job is queued or running, another that is the same waits behind it, at most one. What makes it the same is " + by + "."
	}
	return "While a job is queued or running, another that is the same is served by it. What makes it the same is " + by + "."
}

func parameterRef(name string) reference { return reference{"#/components/parameters/" + name} }

func schemaRef(name string) reference { return reference{"#/components/schemas/" + name} }

func onChannel(channel, message string) reference {
	return reference{"#/channels/" + channel + "/messages/" + message}
}
