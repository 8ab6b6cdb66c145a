package proc

import (
	"fmt"

	"oprun.example/pkg/oprun"
)

// Ended gives a run that has ended its exit code: nil when it succeeded, else an *Error that says what to type.
func Ended(run oprun.Run) error {
	code := Failed
	switch run.Outcome {
	case oprun.Succeeded:
		return nil
	case oprun.PartiallySucceeded:
		code = Partial
	case oprun.Pending, oprun.Blocked, oprun.Failed, oprun.Cancelled:
	}
	return &Error{
		Code: code, Err: fmt.Errorf("run %s ended as %s", run.ID, run.Outcome), Hint: fmt.Sprintf("type: consumer runs show %s", run.ID),
	}
}
