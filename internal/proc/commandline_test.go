package proc

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

type commands struct {
	Color string `enum:"red,blue" default:"red" env:"PROC_TEST_COLOR" help:"A color."`

	Paint struct {
		Thing string `arg:""`
	} `cmd:"" help:"Paint it."`
}

func TestParse(t *testing.T) {
	parse := func(args ...string) (commands, error) {
		var c commands
		var out, err bytes.Buffer
		_, parseErr := Parse(&c, "tool", "A tool.", args, &out, &err)
		return c, parseErr
	}

	t.Run("reads flags, arguments and the environment", func(t *testing.T) {
		t.Setenv("PROC_TEST_COLOR", "blue")
		c, err := parse("paint", "wall")
		if err != nil || c.Color != "blue" || c.Paint.Thing != "wall" {
			t.Errorf("%+v, %v", c, err)
		}
	})

	t.Run("takes an empty variable for one that is not set", func(t *testing.T) {
		t.Setenv("PROC_TEST_COLOR", "")
		if c, err := parse("paint", "wall"); err != nil || c.Color != "red" {
			t.Errorf("%+v, %v", c, err)
		}
	})

	for name, test := range map[string]struct {
		args []string
		hint string
	}{
		"a flag that is not known":   {[]string{"paint", "wall", "--nope"}, "type: tool paint --help"},
		"a command that is missing":  {nil, "type: tool --help"},
		"a value that is not chosen": {[]string{"paint", "wall", "--color", "green"}, "type: tool paint --help"},
	} {
		t.Run(name+" is a usage error that says what to type", func(t *testing.T) {
			_, err := parse(test.args...)
			var out bytes.Buffer
			if code := Report(&out, "tool", err); code != int(Usage) {
				t.Errorf("exit %d, want %d", code, Usage)
			}
			_, hint, _ := strings.Cut(out.String(), "\n")
			if diff := cmp.Diff(test.hint+"\n", hint); diff != "" {
				t.Errorf("hint (-want +got):\n%s", diff)
			}
		})
	}
}

// Who types a name where an id is wanted is told what an id looks like.
func TestParseReadsIDs(t *testing.T) {
	t.Parallel()
	const id = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"
	var c struct {
		Tenant []uuid.UUID
		ID     uuid.UUID `arg:""`
	}
	parse := func(args ...string) error {
		_, err := Parse(&c, "tool", "A tool.", args, io.Discard, io.Discard)
		return err
	}
	if err := parse("--tenant", id+","+id, id); err != nil || len(c.Tenant) != 2 || c.ID.String() != id || c.Tenant[1] != c.ID {
		t.Errorf("%+v, %v", c, err)
	}
	if err := parse("demo"); err == nil || err.Error() != `<id>: "demo" is no id: it is a UUID, as in `+id {
		t.Errorf("%v", err)
	}
}
