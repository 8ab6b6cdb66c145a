package proc

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// Build is what a binary was made from, as the go command stamped it.
type Build struct {
	// Version is the module's: a tag, or what stands for one between tags; "(devel)" where it was not stamped.
	Version string `json:"version"`
	// Revision and Time are those of the commit; empty where the sources were no checkout.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	// Modified tells that the sources were not those of the commit.
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuild returns what this binary was made from.
func ReadBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{
		Version: cmp.Or(info.Main.Version, "(devel)"), Go: info.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// String is one line: version, commit, Go, platform.
func (b Build) String() string {
	words := []string{b.Version}
	if b.Revision != "" {
		words = append(words, "commit", b.Revision, b.Time)
	}
	if b.Modified {
		words = append(words, "modified")
	}
	return strings.Join(append(words, b.Go, b.Platform), " ")
}

// VersionFlag is a flag that prints what the binary was made from, as one line or, with --output json or ndjson, as one
// JSON object, and ends the process. No command need be named.
type VersionFlag bool

// BeforeApply is called by kong when the flag is there.
func (VersionFlag) BeforeApply(app *kong.Kong, command *kong.Context) error {
	line := app.Model.Name + " " + ReadBuild().String()
	if form := output(command); form == "json" || form == "ndjson" {
		object, err := json.Marshal(struct {
			Name string `json:"name"`
			Build
		}{app.Model.Name, ReadBuild()})
		if err != nil {
			return fmt.Errorf("write the version: %w", err)
		}
		line = string(object)
	}
	fmt.Fprintln(app.Stdout, line)
	app.Exit(int(OK))
	return nil
}

// output is what --output says, before or after this flag.
func output(command *kong.Context) string {
	for _, flag := range command.Flags() {
		if text, ok := command.FlagValue(flag).(string); ok && flag.Name == "output" {
			return text
		}
	}
	return ""
}
