package api

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
)

// Constraint operators (section 12.3).
const (
	OperatorUnique  = "UNIQUE"
	OperatorCluster = "CLUSTER"
	OperatorGroupBy = "GROUP_BY"
	OperatorLike    = "LIKE"
	OperatorUnlike  = "UNLIKE"
	OperatorMaxPer  = "MAX_PER"
	OperatorIs      = "IS"
)

// isValue is what IS compares with: letters, digits and _./-, or a number.
var isValue = regexp.MustCompile(`^([A-Za-z0-9_./-]+|[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)$`)

func (d *draft) validateConstraints() {
	for i, c := range d.app.Constraints {
		if text := constraintProblem(c); text != "" {
			d.add(item("/constraints", i), "%s", text)
		}
	}
}

// constraintProblem says what is wrong with a normalised constraint, "" if nothing is.
func constraintProblem(c []string) string {
	if len(c) < 2 || len(c) > 3 {
		return "expected field, operator and perhaps a value, found " + strconv.Itoa(len(c)) + " elements"
	}
	if c[0] == "" {
		return "the field must not be empty"
	}
	value, given := "", len(c) == 3
	if given {
		value = c[2]
	}
	switch operator := c[1]; operator {
	case OperatorUnique:
		return problemIf(given, "UNIQUE takes no value")
	case OperatorCluster:
		return problemIf(given && value == "", "the value of CLUSTER must not be empty")
	case OperatorGroupBy:
		return problemIf(given && !isCount(value), "the value of GROUP_BY must be a whole number")
	case OperatorMaxPer:
		return problemIf(!isCount(value), "MAX_PER needs a whole number as value")
	case OperatorIs:
		return problemIf(!isValue.MatchString(value), "IS needs a value of letters, digits and _./-, or a number")
	case OperatorLike, OperatorUnlike:
		return patternProblem(operator, value)
	}
	return "unknown operator " + quote(c[1]) + ": expected UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER or IS"
}

func problemIf(broken bool, text string) string {
	if broken {
		return text
	}
	return ""
}

func isCount(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n >= 0
}

// patternProblem refuses what Go's regular expressions (RE2) cannot do; the longest pattern keeps them cheap to compile.
func patternProblem(operator, pattern string) string {
	const longest = 1000
	switch {
	case pattern == "":
		return operator + " needs a regular expression as value"
	case len(pattern) > longest:
		return operator + ": the regular expression has more than 1000 characters"
	}
	_, err := syntax.Parse(pattern, syntax.Perl)
	var bad *syntax.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &bad) && (bad.Code == syntax.ErrInvalidPerlOp || bad.Code == syntax.ErrInvalidEscape):
		return operator + ": " + quote(pattern) +
			" does not compile (look-around and back-references are not supported, the syntax is RE2): " + err.Error()
	}
	return operator + ": " + quote(pattern) + " does not compile: " + err.Error()
}
