package proc

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "0s": 0, "7d": 7 * 24 * time.Hour} {
		var got Moment
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if ago := time.Since(got.Time); ago < want || ago > want+time.Minute {
			t.Errorf("%s: got %s ago", text, ago)
		}
	}
	var got Moment
	if err := got.UnmarshalText([]byte("2026-01-31T15:04:05Z")); err != nil || got.Unix() != 1769871845 {
		t.Errorf("got %s, %v", got, err)
	}
	for _, text := range []string{"", "d", "-1h", "-1d", "1.5d", "yesterday", "2026-01-31"} {
		if err := new(Moment).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"2160h": 90 * 24 * time.Hour, "90d": 90 * 24 * time.Hour, "-1h": -time.Hour} {
		var got Age
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %s, %v, want %s", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "90 days", "99999999d"} {
		if err := new(Age).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
