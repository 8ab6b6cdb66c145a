package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"oprun.example/internal/bulk"
	"oprun.example/pkg/events"
)

// plan is what a load asks for, message by message.
type plan struct {
	Config
	id    uuid.UUID // of this load; its time dates the requests
	kinds []kind
}

// copying is in which way a message is a duplicate of another.
type copying uint8

const (
	original     copying = iota
	sameMessage          // the same message again: the broker suppresses it within its dedupe window
	otherMessage         // the same request under another message id, as after that window: the ledger knows it
	sameIdentity         // a new request of the same identity: while that is active, the two are one run
	copyings
)

// slot is one message of the plan.
type slot struct {
	number  int
	of      int // the number of the message whose input it has: its own, unless it is a duplicate
	copying copying
	kind    int // index
	scope   int // index
	size    int // of its input; 0: as it is
}

// recent is how far back a duplicate reaches: what it duplicates may well be active still.
const recent = 100

// slot computes a message of the plan from its number.
func (p *plan) slot(number int) slot {
	rng := rand.New(rand.NewPCG(p.Seed, uint64(number)))
	if number > 0 && rng.IntN(100) < p.Duplicates {
		s := p.slot(number - 1 - rng.IntN(min(number, recent)))
		for s.copying != original {
			s = p.slot(s.of)
		}
		s.number, s.of, s.copying = number, s.number, copying(1+rng.IntN(int(copyings)-1))
		return s
	}
	s := slot{number: number, of: number, kind: rng.IntN(len(p.kinds))}
	s.scope = rng.IntN(len(p.kinds[s.kind].scopes))
	if len(p.Sizes) > 0 {
		s.size = p.Sizes[rng.IntN(len(p.Sizes))]
	}
	return s
}

func (p *plan) smallest() int {
	if len(p.Sizes) == 0 {
		return 0
	}
	return slices.Min(p.Sizes)
}

// isRequest reports whether a message is a request of its own, and not one that was made before.
func (s slot) isRequest() bool { return s.copying == original || s.copying == sameIdentity }

// requestID is that of the request that the message belongs to.
func (p *plan) requestID(s slot) string {
	number := s.number
	if !s.isRequest() {
		number = s.of
	}
	return bulk.RequestID(p.id, number, nil)
}

// request makes the message of a slot.
func (p *plan) request(s slot) (events.Request, error) {
	k := p.kinds[s.kind]
	input, err := p.input(s)
	if err != nil {
		return events.Request{}, err
	}
	r, err := bulk.Asked{
		Type: k.name, Scope: k.scopes[s.scope], Input: input, RequestID: p.requestID(s), Initiator: p.Initiator,
	}.Request(k.job)
	if s.copying == otherMessage {
		r.MsgID = "load/" + p.id.String() + "/" + strconv.Itoa(s.number)
	}
	return r, err
}

// input fills in the template, and adds what it lacks of the identity, and padding.
func (p *plan) input(s slot) ([]byte, error) {
	text := strings.ReplaceAll(p.Template, "{{n}}", strconv.Itoa(s.of))
	if strings.Contains(text, "{{uuid}}") {
		text = strings.ReplaceAll(text, "{{uuid}}", p.uuid(s.of).String())
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return nil, fmt.Errorf("the template is not a JSON object: %w", errors.New(strings.TrimPrefix(err.Error(), "json: ")))
	}
	for _, name := range p.kinds[s.kind].job.Identity {
		if _, ok := fields[name]; !ok {
			fields[name] = strconv.AppendQuote(nil, "load-"+p.id.String()+"-"+strconv.Itoa(s.of))
		}
	}
	input, err := json.Marshal(fields)
	if lack := s.size - len(input); err == nil && lack > len(`,"padding":""`) {
		fields["padding"] = slices.Concat([]byte{'"'}, bytes.Repeat([]byte{'x'}, lack-len(`,"padding":""`)), []byte{'"'})
		input, err = json.Marshal(fields)
	}
	return input, err
}

// uuid is the UUID of a number, the same for the same seed.
func (p *plan) uuid(number int) uuid.UUID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, p.Seed), uint64(number)))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = 0x40|id[6]&0x0f, 0x80|id[8]&0x3f
	return id
}
