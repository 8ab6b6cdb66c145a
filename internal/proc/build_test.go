package proc

import (
	"bytes"
	"encoding/json"
	"runtime/debug"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	stamped := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "5cecd0f"}, {Key: "vcs.time", Value: "2026-11-25T10:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	for name, test := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"a stamped binary tells its commit":       {stamped, "v1.2.3 commit 5cecd0f 2026-11-25T10:00:00Z modified go1.26.8 here"},
		"one that was not stamped says so":        {&debug.BuildInfo{GoVersion: "go1.26.8"}, "(devel) go1.26.8 here"},
		"one of a module proxy tells its version": {&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3 go1.26.8 here"},
	} {
		t.Run(name, func(t *testing.T) {
			build := buildOf(test.info)
			build.Platform = "here"
			if got := build.String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	version := func(args ...string) (string, int) {
		var c struct {
			Output  string      `enum:"table,json,ndjson" default:"table" short:"o"`
			Version VersionFlag `help:"Print the version and exit."`
			Paint   struct{}    `cmd:"" help:"Paint."`
		}
		var out, err bytes.Buffer
		code := -1
		_, _ = Parse(&c, "tool", "A tool.", args, &out, &err, kong.Exit(func(with int) { code = with }))
		return out.String(), code
	}
	for _, args := range [][]string{{"--version"}, {"--version", "paint"}} {
		if got, code := version(args...); got != "tool "+ReadBuild().String()+"\n" || code != 0 {
			t.Errorf("%v: %q, exit %d", args, got, code)
		}
	}
	for _, args := range [][]string{{"--version", "--output=json"}, {"-o", "ndjson", "--version"}} {
		text, code := version(args...)
		var got struct {
			Name string `json:"name"`
			Build
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || code != 0 || got.Name != "tool" {
			t.Errorf("%v: %q, exit %d: %v", args, text, code, err)
		}
		if diff := cmp.Diff(ReadBuild(), got.Build); diff != "" {
			t.Errorf("%v (-want +got):\n%s", args, diff)
		}
	}
}
