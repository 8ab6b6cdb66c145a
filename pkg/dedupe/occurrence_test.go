package dedupe_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"oprun.example/pkg/dedupe"
)

var anyOccurrence = rapid.Custom(func(t *rapid.T) dedupe.Occurrence {
	at := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "ms"))
	if rapid.Bool().Draw(t, "request") {
		return dedupe.ByRequest(rapid.StringMatching(`[!-~]{1,12}`).Draw(t, "id"), at)
	}
	return dedupe.ByPlace(rapid.StringMatching(`[A-Z]{0,5}`).Draw(t, "stream"), rapid.Uint64().Draw(t, "seq"), at)
})

// The primary key is the occurrence check (I5): equal run ids are equal occurrences.
func TestRunIDsAreEqualOnlyForEqualOccurrences(t *testing.T) {
	t.Parallel()
	scope := dedupe.Tenant(uuid.UUID{1})
	rapid.Check(t, func(t *rapid.T) {
		one, two := anyOccurrence.Draw(t, "one"), anyOccurrence.Draw(t, "two")
		if (one.RunID(scope, "a.b") == two.RunID(scope, "a.b")) != (one == two) {
			t.Fatal("run ids and occurrences disagree")
		}
		if one.RunID(scope, "a.b") == one.RunID(scope, "a.c") || one.RunID(scope, "a.b") == one.RunID(dedupe.Workspace(scope.ID), "a.b") {
			t.Fatal("another scope or type has the same run id")
		}
	})
}

func TestRunIDIsAVersion8UUIDInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	scope := dedupe.Tenant(uuid.UUID{1})
	rapid.Check(t, func(t *rapid.T) {
		id := anyOccurrence.Draw(t, "occurrence").RunID(scope, "a.b")
		if id.Version() != 8 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("%s has version %d and variant %s", id, id.Version(), id.Variant())
		}
		ms := rapid.Int64Range(0, 1<<42).Draw(t, "ms")
		earlier := dedupe.ByPlace("JOBS", 2, time.UnixMilli(ms)).RunID(scope, "a.b")
		later := dedupe.ByPlace("JOBS", 1, time.UnixMilli(ms+1)).RunID(scope, "a.b")
		if earlier.String() >= later.String() {
			t.Fatalf("%s of an earlier place sorts after %s", earlier, later)
		}
	})
}

func TestRequestIsDated(t *testing.T) {
	t.Parallel()
	const v7 = "0192a4c1-5b7e-7c3d-9a1b-2c3d4e5f6071"
	at := time.UnixMilli(0x019a_ae02_a47b)
	for _, c := range []struct {
		name, request, want string
		at                  time.Time
	}{
		{"by its UUIDv7", v7, "0192a4c1-5b7e", at},
		{"by its own time", "order-4711", "019aae02-a47b", at},
		{"by nothing", "order-4711", "00000000-0000", time.Time{}},
		{"by a time before 1970 as by nothing", "order-4711", "00000000-0000", time.Unix(-1, 0)},
		{"by a time past the year 2262", "order-4711", "e677ccf9-8000", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
		{"not by a UUIDv7 in braces", "{" + v7 + "}", "019aae02-a47b", at},
		{"not by a UUIDv7 without dashes", "0192a4c15b7e7c3d9a1b2c3d4e5f6071", "019aae02-a47b", at},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id := dedupe.ByRequest(c.request, c.at).RunID(dedupe.Tenant(uuid.UUID{}), "a.b")
			if id.String()[:13] != c.want {
				t.Errorf("%s, want %s-…", id, c.want)
			}
		})
	}
}

func TestEmptyRequestIDIsNoOccurrence(t *testing.T) {
	t.Parallel()
	if dedupe.ByRequest("", time.Now()) != (dedupe.Occurrence{}) {
		t.Error("an empty request id makes an occurrence")
	}
}

func TestMsgIDs(t *testing.T) {
	t.Parallel()
	id := dedupe.Identity{Hash: [32]byte{0xab, 31: 0x01}}
	const hash = "ab00000000000000000000000000000000000000000000000000000000000001"
	if got := id.MsgID("r/1"); got != "id/"+hash+"/r/1" {
		t.Error(got)
	}
	if got := id.MsgID(""); got != "id/"+hash {
		t.Error(got)
	}
	if got := dedupe.RunMsgID(uuid.UUID{15: 7}, 12); got != "run/00000000-0000-0000-0000-000000000007/12" {
		t.Error(got)
	}
}
