package asyncapi

import (
	"fmt"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// object is a JSON object of a schema.
type object = map[string]any

func allOf(schemas ...any) object { return object{"allOf": schemas} }

func text(description string, more ...object) object {
	s := object{"type": "string", "description": description}
	for _, m := range more {
		for name, value := range m {
			s[name] = value
		}
	}
	return s
}

// sharedSchemas are those that do not depend on a job type. They are in AsyncAPI's own dialect.
func sharedSchemas() map[string]any {
	return map[string]any{
		jobHeaders: object{"type": "object", "properties": object{
			events.HeaderMsgID:       text("The broker stores no second message with this id within its window. It means nothing to the ledger."),
			events.HeaderRunID:       text("The run, when the ledger has it already", object{"format": "uuid"}),
			events.HeaderRequestID:   text("Your own id of this request: asked again with it, the job runs once", object{"pattern": fmt.Sprintf("^[!-~]{1,%d}$", events.MaxRequestIDLength)}),
			events.HeaderOccurrence:  text("Written by replay only: stream, sequence and store time of the recorded message", object{"pattern": place}),
			events.HeaderInitiator:   text("Who asks", object{"maxLength": events.MaxInitiatorLength, "default": events.DefaultInitiator}),
			events.HeaderVersion:     text("The version of this format", object{"const": events.WireVersion}),
			events.HeaderTraceParent: text(traceContext),
			events.HeaderTraceState:  text(traceContext),

			events.HeaderReplayedFrom: text("Written by replay only: where the message was recorded that this new request was made of", object{"pattern": place}),
		}},
		eventHeaders: object{"type": "object", "description": "Values are percent-encoded UTF-8", "required": []string{"ce-specversion", "ce-type", "ce-id", "ce-source"}, "properties": object{
			"ce-specversion": text("The version of CloudEvents", object{"const": "1.0"}),
			"ce-type":        text("The job type, or what the catalogue has as its ce_type"),
			"ce-id":          text("With ce-source the id of this request, unless there is an " + events.HeaderRequestID),
			"ce-source":      text("Where the event comes from"),
			"ce-time":        text("When it occurred", object{"format": "date-time"}),
		}},
		eventContent: object{"type": "object", "required": []string{"Content-Type"}, "properties": object{
			"Content-Type": text("That the body is a CloudEvent", object{"pattern": `^application/cloudevents(\+json)?\s*(;.*)?$`}),
		}},
		traceHeaders: object{"type": "object", "properties": object{
			events.HeaderTraceParent: text(traceContext), events.HeaderTraceState: text(traceContext),
		}},
		runSchema: run(),
	}
}

const (
	traceContext = "W3C trace context"
	place        = "^[^/]+/[1-9][0-9]*/[1-9][0-9]*$"
)

// run is the schema of what is told of a run that has ended: pkg/jobs.Ended.
func run() object {
	outcomes := []string{}
	for _, o := range oprun.Outcomes() {
		outcomes = append(outcomes, string(o))
	}
	return object{
		"type": "object", "required": []string{"id", "tenant_id", "type", "status", "outcome", "attempt", "summary_counts", "failure_summary"},
		"properties": object{
			"id":             text("The run", object{"format": "uuid"}),
			"workspace_id":   text("The workspace, of a run that belongs to no tenant", object{"format": "uuid"}),
			"tenant_id":      object{"type": []string{"string", "null"}, "format": "uuid", "description": "The tenant's external id"},
			"type":           text("The job type"),
			"status":         text("It has ended", object{"const": "completed"}),
			"outcome":        text("How it ended", object{"enum": outcomes}),
			"attempt":        object{"type": "integer", "minimum": 0, "description": "How many attempts there were"},
			"summary_counts": object{"type": []string{"object", "null"}, "additionalProperties": object{"type": "integer"}, "description": "What it counted"},
			"failure_summary": object{"type": []string{"array", "null"}, "items": object{
				"type": "object", "required": []string{"code", "message", "count"},
				"properties": object{
					"code": text("Stable, for programs"), "message": text("One line, for people"), "count": object{"type": "integer", "minimum": 1},
				},
			}},
		},
	}
}

// input is the schema of a type's body. A type without one still wants what makes two of its jobs the same.
func input(jobType string, job catalog.Job) draft2020 {
	if schema, ok := job.Bundle("#/components/schemas/" + jobType + "/schema"); ok {
		return in2020(schema)
	}
	s := object{"type": "object"}
	if len(job.Identity) > 0 {
		known := object{}
		for _, name := range job.Identity {
			known[name] = object{"description": "Part of what makes two jobs the same; null when it has no value"}
		}
		s["properties"], s["required"] = known, job.Identity
	}
	return in2020(s)
}

// cloudEvent is the schema of a CloudEvent in JSON that asks for a job.
func cloudEvent(jobType string, job catalog.Job) draft2020 {
	return in2020(object{
		"type": "object", "required": []string{"specversion", "type", "id", "source", "data"},
		"properties": object{
			"specversion": object{"const": "1.0"}, "type": ceType(jobType, job),
			"id": text("With source the id of this request"), "source": text("Where the event comes from"),
			"time": object{"type": []string{"string", "null"}, "format": "date-time"}, "data": reference{"#/components/schemas/" + jobType + "/schema"},
		},
	})
}

func ceType(jobType string, job catalog.Job) object {
	names := []string{jobType}
	if job.CEType != "" && job.CEType != jobType {
		names = append(names, job.CEType)
	}
	return object{"enum": names}
}
