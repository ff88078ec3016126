package cli

import "caisson/internal/project/values"

// takeValue takes the argument of a flag whose values caisson.yaml has too. Of two the last counts.
func takeValue[T any](read func(string) (T, *values.Refusal), field func(*Run) *T) func(*parser, string, string) error {
	return func(p *parser, name, text string) error {
		value, no := read(text)
		if no != nil {
			return refusal(name, no)
		}
		*field(&p.run) = value
		return nil
	}
}

func refusal(name string, no *values.Refusal) error {
	return &UsageError{Reason: name + ": " + no.Reason, Hint: no.Hint}
}
