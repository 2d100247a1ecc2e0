// Package forward answers names that are not ours by asking others: it is the recursive side of dnsd's server, though it
// recurses nowhere itself.
//
//	query → route (whose resolvers) → cache → flight (one question at a time) → race (which upstream, and when the next) →
//	upstream (UDP, then TCP)
//
// Answers are cached with limits, also failures (RFC 9520) and absence (RFC 2308); when nobody answers, what has expired is
// better than nothing (RFC 8767).
package forward
