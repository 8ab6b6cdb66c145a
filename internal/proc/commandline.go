package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
)

// Parse reads a command line and its environment into the struct that cli points to, and returns the command that was
// asked for. --help, and --version where the struct has a VersionFlag, print and end the process. A command line
// that cannot be understood is an *Error with the code Usage.
func Parse(cli any, name, description string, args []string, out, err io.Writer, more ...kong.Option) (*kong.Context, error) {
	parser, parserErr := kong.New(cli, append([]kong.Option{
		kong.Name(name),
		kong.Description(description),
		kong.Writers(out, err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 120}),
		kong.ValueFormatter(describe),
		kong.TypeMapper(reflect.TypeFor[uuid.UUID](), kong.MapperFunc(readID)),
		kong.PostBuild(ignoreEmptyEnvironment),
	}, more...)...)
	if parserErr != nil {
		return nil, parserErr
	}
	command, parserErr := parser.Parse(args)
	if parserErr != nil {
		return nil, &Error{Code: Usage, Err: parserErr, Hint: "type: " + asked(name, parserErr) + " --help"}
	}
	return command, nil
}

// OnCommandLine reports whether a flag was given, other than by the environment or by its default.
func OnCommandLine(line *kong.Context, name string) bool {
	for _, step := range line.Path {
		if step.Flag != nil && step.Flag.Name == name && !step.Resolved {
			return true
		}
	}
	return false
}

// asked is the command that a wrong command line was about.
func asked(name string, err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context != nil && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return name
}

// readID reads an id, and says what one looks like: who types a label or a name in its place does not know.
func readID(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("id", &text); err != nil {
		return err
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return fmt.Errorf("%q is no id: it is a UUID, as in 6f9619ff-8b86-4d01-b42d-00c04fc964ff", text)
	}
	target.Set(reflect.ValueOf(id))
	return nil
}

// describe adds the variable that says the same as a flag. The flag's default stands in its own text.
func describe(value *kong.Value) string {
	if value.Flag == nil || len(value.Tag.Envs) == 0 {
		return value.Help
	}
	return value.Help + " [$" + strings.Join(value.Tag.Envs, ", $") + "]"
}

// ignoreEmptyEnvironment takes a variable that is set to nothing for one that is not set, as shells and compose files
// mean it.
func ignoreEmptyEnvironment(parser *kong.Kong) error {
	return kong.Visit(parser.Model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			flag.Tag.Envs = slices.DeleteFunc(flag.Tag.Envs, func(name string) bool {
				value, set := os.LookupEnv(name)
				return set && value == ""
			})
		}
		return next(nil)
	})
}
